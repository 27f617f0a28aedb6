"""Laws of the assigners that let another network decide."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from labelassign.assigners import CostAssigner, Decision, Networks
from labelassign.distill.colad import CoLAD
from labelassign.distill.lad import LAD
from labelassign.structures import Candidates, GroundTruth, Predictions, Priors
from labelassign.testing import same
from labelassign.testing.scene import Scene
from labelassign.testing.subject import Subject, answer, law


@law
def own_teacher(subject: Subject, scene: Scene) -> None:
    """LAD and CoLAD with the student as its own teacher equal the assigner that they wrap."""
    if isinstance(subject.assigner, (LAD, CoLAD)):
        twins = replace(scene, teacher=scene.predictions)
        a, want = twins.assign(subject.assigner), scene.assign(subject.assigner.assigner)
        same.same_priors(a, want)
        same.equal("reason", a.reason, want.reason)


@law
def teacher_decides(subject: Subject, scene: Scene) -> None:
    """LAD equals the assigner that it wraps, called with the teacher's predictions."""
    if isinstance(subject.assigner, LAD):
        deciding = replace(scene, predictions=scene.teacher).assign(subject.assigner.assigner)
        same.equal("gt_index", answer(subject.assigner, scene).gt_index, deciding.gt_index)


@law
def whole_units(subject: Subject, scene: Scene) -> None:
    """Under CoLAD each unit's candidates are all of one network or all of the other, before anything is decided."""
    outer = subject.assigner
    if not isinstance(outer, CoLAD):
        return
    seen: list[Candidates] = []
    scene.assign(replace(outer, assigner=_Watched(outer.assigner, seen.append)))
    mine, other, chosen = _proposals(outer, scene, scene.predictions), _proposals(outer, scene, scene.teacher), seen[0]
    student, teacher = _agreement(chosen, mine), _agreement(chosen, other)
    for unit, entries in _units(outer.granularity, scene.gt, student):
        one = bool(student[entries].all()) or bool(teacher[entries].all())
        assert one, f"{unit} mixes the candidates of both networks"


@law
def one_of_two(subject: Subject, scene: Scene) -> None:
    """CoLAD that decides for the whole batch equals LAD with the one network as teacher, or with the other."""
    outer = subject.assigner
    if not isinstance(outer, CoLAD) or outer.granularity != "batch":
        return
    index, lad = answer(outer, scene).gt_index, LAD(outer.assigner)
    answers = [replace(scene, teacher=p).assign(lad).gt_index for p in (scene.predictions, scene.teacher)]
    assert any(torch.equal(index, other) for other in answers), "the answer is that of neither network"


def _units(granularity: str, gt: GroundTruth, like: Tensor) -> list[tuple[str, tuple[slice, slice]]]:
    """Name and entries `[G, L]` of every unit."""
    everything, (rows, levels), bounds = slice(None), like.shape, gt.offsets.tolist()
    if granularity == "batch":
        return [("the batch", (everything, everything))]
    if granularity == "image":
        pairs = itertools.pairwise(bounds)
        return [(f"image {i}", (slice(*pair), everything)) for i, pair in enumerate(pairs)]
    if granularity == "gt":
        return [(f"ground truth {g}", (slice(g, g + 1), everything)) for g in range(rows)]
    names = [(g, level) for g in range(rows) for level in range(levels)]
    return [(f"ground truth {g} on level {i}", (slice(g, g + 1), slice(i, i + 1))) for g, i in names]


def _proposals(outer: CoLAD, scene: Scene, network: Predictions) -> Candidates:
    seen: list[Candidates] = []
    replace(scene, predictions=network).assign(_Watched(outer.assigner, seen.append))
    return seen[0]


def _agreement(chosen: Candidates, network: Candidates) -> Tensor:
    """Where the chosen candidates are a network's `[G, L]`."""
    prior = (chosen.prior == network.prior).all(-1)
    return prior & (chosen.cost == network.cost).all(-1) & (chosen.count == network.count)


@dataclass(frozen=True)
class _Watched(CostAssigner):
    """A cost-based assigner that shows what it is about to decide on."""

    inner: CostAssigner
    show: Callable[[Candidates], None]
    ignore_iof: float | None = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ignore_iof", self.inner.ignore_iof)

    def _propose(self, priors: Priors, gt: GroundTruth, predictions: Predictions, moments: bool = True) -> Candidates:
        return self.inner._propose(priors, gt, predictions, moments)

    def _pairs(
        self, priors: Priors, gt: GroundTruth, predictions: Predictions, gt_row: Tensor, prior: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self.inner._pairs(priors, gt, predictions, gt_row, prior)

    def _decide(self, priors: Priors, gt: GroundTruth, candidates: Candidates) -> Decision:
        self.show(candidates)
        return self.inner._decide(priors, gt, candidates)

    def _resolve(
        self, priors: Priors, gt: GroundTruth, candidates: Candidates, state: Tensor, networks: Networks
    ) -> tuple[Tensor, Tensor, Tensor]:
        return self.inner._resolve(priors, gt, candidates, state, networks)

    def _soft_targets(self, priors: Priors, gt: GroundTruth, networks: Networks, gt_index: Tensor) -> Tensor | None:
        return self.inner._soft_targets(priors, gt, networks, gt_index)
