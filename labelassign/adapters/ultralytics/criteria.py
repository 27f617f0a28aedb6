"""Criteria of ultralytics: their branches, whose assigners can be exchanged, and what they make of raw outputs."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from labelassign import checks
from labelassign.adapters.ultralytics.branches import MANY, ONE
from labelassign.structures import Predictions, Priors


@torch.no_grad()
def opinion(decoder: Any, output: Mapping[str, Any], priors: Priors) -> Predictions:
    """What a network says in one branch, decoded by its own criterion, which counts in strides."""
    assert priors.strides is not None
    step = priors.strides[:, None]
    sides, scores = (output[name].detach().transpose(1, 2).contiguous() for name in ("boxes", "scores"))
    boxes = decoder.bbox_decode((priors.boxes[:, :2] + priors.boxes[:, 2:]) / 2 / step, sides) * step
    levels = tuple(each.shape[-2] * each.shape[-1] for each in output["feats"])
    return Predictions(boxes, scores.sigmoid(), "probs", level_sizes=levels)


@contextmanager
def seated(places: Mapping[str, Any], seats: Mapping[str, Any]) -> Generator[None]:
    """Give the branches of a criterion other assigners; they have their own again afterwards."""
    before = {name: place.assigner for name, place in places.items()}
    try:
        for name, place in places.items():
            place.assigner = seats[name]
        yield
    finally:
        for name, place in places.items():
            place.assigner = before[name]


def branches(criterion: Any) -> dict[str, Any]:
    """What has an assigner of its own in a criterion, by the name of its branch."""
    if hasattr(criterion, MANY):
        return {name: getattr(criterion, name) for name in (MANY, ONE)}
    return {MANY: criterion}


def criterion_of(who: str, model: Any, keep: bool = True) -> Any:
    """The criterion of a model, made if it has none yet."""
    found = getattr(model, "criterion", None)
    if found is None:
        if not hasattr(model, "args") or (keep and not hasattr(model.args, "box")):
            fix = "Outside of `YOLO.train` set them: model.args = ultralytics.cfg.get_cfg()"
            checks.fail(who, "a model with `args`, the gains of its losses", type(getattr(model, "args", None)), fix)
        found = model.init_criterion()
        if keep:
            model.criterion = found
    return found
