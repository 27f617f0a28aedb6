"""What a model of queries cannot take, said when it is attached."""

from __future__ import annotations

from typing import Any

from transformers.loss.loss_rt_detr import RTDetrLoss

from labelassign import checks
from labelassign.adapters.teaching import inside
from labelassign.adapters.transformers.criteria import kind_of
from labelassign.assigners.base import Assigner
from labelassign.assigners.set_matching import SetMatching


def refuse_places(who: str, assigner: Assigner) -> None:
    """Raise for an assigner of ours that asks where a prior lies."""
    parts = inside(assigner)
    for part in parts:
        refuse_places(who, part)
    if not parts and not isinstance(assigner, SetMatching) and type(assigner).__module__.startswith("labelassign."):
        found, fix = type(assigner).__name__, "Take Hungarian; `repeats=` gives an object several queries."
        checks.fail(who, "an assigner of queries, which lie nowhere", found, fix)


def refuse_teacher(who: str, model: Any, teacher: Any) -> None:
    """Raise for two networks whose queries have nothing in common."""
    kind = kind_of(model.loss_function)
    if kind_of(getattr(teacher, "loss_function", None)) is not kind:
        found, fix = type(teacher).__name__, "Both networks must be of one kind."
        checks.fail(who, f"a teacher whose loss is {kind.__name__}", found, fix, TypeError)
    if issubclass(kind, RTDetrLoss) or getattr(model.config, "two_stage", False):
        found = f"{type(model).__name__}, which picks its queries image by image"
        fix = "Query i of another network is not this one's; DETR and one-stage Deformable DETR learn theirs."
        checks.fail(who, "queries that two networks can share", found, fix, TypeError)


def refuse_shapes(who: str, mine: list[tuple[int, ...]], theirs: list[tuple[int, ...]]) -> None:
    """Raise for decoder layers that are not alike."""
    if mine != theirs:
        found = f"{len(theirs)} of {theirs[0]} beside {len(mine)} of {mine[0]}"
        fix = "Give both networks the same layers, queries, classes and auxiliary losses."
        checks.fail(who, "a teacher with the same decoder layers [B, N, C]", found, fix)
