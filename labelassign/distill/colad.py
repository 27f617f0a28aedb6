"""Co-learning label assignment distillation."""

# pyright: reportPrivateUsage=false
# A wrapper runs the stages of the assigner that it wraps.

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor

from labelassign import checks
from labelassign.assigners.base import Assigner
from labelassign.assigners.cost_based import CostAssigner
from labelassign.assigners.draft import Draft
from labelassign.assigners.paa import PAA
from labelassign.distill.criteria import Choice, Criterion
from labelassign.distill.indicators import StdMean
from labelassign.distill.lad import require_costs
from labelassign.distill.units import GRANULARITIES, Units
from labelassign.structures import Candidates, GroundTruth, Predictions, Priors


@dataclass(frozen=True)
class CoLAD(Assigner):
    """Co-learning LAD: two networks train together, and the better indicator decides for both.

    `predictions` come from the one network ("student"), `teacher=` from the other; give both losses this one result.

    Equals: the authors' code through `official()`, up to its crash on images without candidates (tests/parity).
    Differs: the paper switches per iteration (granularity "batch", the default), the authors' code per ground truth and
    level; Fisher's score is in the paper only.

    Source: Nguyen et al., 2022, arXiv:2108.10520, section 3.3.

    Arguments:
        assigner: any cost-based assigner.
        criterion: `StdMean`, `FisherScore`, `MeanCost`, `Random` or `Fixed`.
        granularity: what is decided at once: "batch", "image", "gt" (candidates of all levels) or "gt_level".
        reduce: with "batch", decide over all processes of torch.distributed, so that all choose alike.
        group: a torch.distributed group; None is the default one.
    Ties: to the teacher; where the indicator cannot judge, lower mean cost, then the student.
    Empty image: all background.   Cost: the wrapped assigner's proposal twice, the rest once.
    Diagnostics, finite on every batch: student_mean, student_std, teacher_mean, teacher_std (of candidate costs, over
    ground truths and levels), student_rho, teacher_rho (over decided units), teacher_share (of units with candidates),
    units_decided (by the criterion), teacher_chosen `[G, L]`.
    Raises: TypeError for an assigner without costs; ValueError for unknown options, or `reduce` with smaller units.

    Example:
        >>> a = la.CoLAD(la.PAA(), criterion=la.FisherScore())(priors, gt, predictions, teacher=other)
        >>> sorted(a.diagnostics)[-3:]
        ['teacher_share', 'teacher_std', 'units_decided']
    """

    assigner: CostAssigner
    criterion: Criterion = field(default_factory=StdMean)
    granularity: str = "batch"
    reduce: bool = False
    group: Any = None
    ignore_iof: float | None = field(init=False)

    def __post_init__(self) -> None:
        """Check the options; ignore regions are the wrapped assigner's rule."""
        require_costs("CoLAD", self.assigner)
        checks.choice("CoLAD", "granularity", self.granularity, GRANULARITIES)
        if self.reduce and self.granularity != "batch":
            fix = "Smaller units live on one process and need no agreement."
            checks.fail("CoLAD", '`reduce` with granularity "batch"', repr(self.granularity), fix)
        object.__setattr__(self, "ignore_iof", self.assigner.ignore_iof)

    @classmethod
    def official(cls) -> Self:
        """The authors' code: mmdet's PAA, std/mean, decided per ground truth and level."""
        return cls(PAA.mmdet(), StdMean(), "gt_level")

    @property
    def needs(self) -> frozenset[str]:
        """What a call must bring beside priors and ground truth."""
        return frozenset({"predictions", "teacher"} | ({"step"} if self.criterion.needs_step else set()))

    @property
    def takes_rotated(self) -> bool:
        """What the wrapped assigner takes."""
        return self.assigner.takes_rotated

    def _assign(
        self,
        priors: Priors,
        gt: GroundTruth,
        predictions: Predictions | None,
        teacher: Predictions | None,
        step: int | Tensor | None,
    ) -> Draft:
        assert predictions is not None
        assert teacher is not None
        report: dict[str, Tensor] = {}
        rows: dict[str, Tensor] = {}

        def choose(mine: Candidates, other: Candidates) -> Tensor:
            units = self._units(gt, mine, step)
            judged = (mine, other) if self.granularity == "gt_level" else (mine.pooled(), other.pooled())
            choice = self.criterion.choose(*judged, units)
            chosen = choice.teacher.expand_as(mine.count)
            held = (mine.count > 0) & (other.count > 0)
            report.update(_report(mine, other, chosen, held, choice))
            rows["teacher_chosen"] = chosen & held
            return chosen

        draft = self.assigner._together(priors, gt, (predictions, teacher), choose)
        diagnostics = {**draft.diagnostics, **report}
        return replace(draft, diagnostics=diagnostics, row_diagnostics={**draft.row_diagnostics, **rows})

    def _units(self, gt: GroundTruth, candidates: Candidates, step: int | Tensor | None) -> Units:
        if self.granularity in ("gt", "gt_level"):
            levels = candidates.count.shape[1] if self.granularity == "gt_level" else 1
            return Units(None, gt.num_rows * levels, step)
        if self.granularity == "image":
            return Units(gt.image_of, gt.num_images, step)
        return Units(torch.zeros_like(gt.image_of), 1, step, self.reduce, self.group)


def _report(mine: Candidates, other: Candidates, chosen: Tensor, held: Tensor, choice: Choice) -> dict[str, Tensor]:
    def average(value: Tensor, where: Tensor) -> Tensor:
        return torch.where(where, value, 0.0).sum() / where.sum().clamp(min=1)

    report: dict[str, Tensor] = {}
    for name, network in (("student", mine), ("teacher", other)):
        report[f"{name}_mean"] = average(network.mean, network.count > 0)
        report[f"{name}_std"] = average(network.variance.sqrt(), network.count > 1)
    report["student_rho"] = average(choice.student_rho, choice.decided)
    report["teacher_rho"] = average(choice.teacher_rho, choice.decided)
    report["teacher_share"] = average(chosen.double(), held)
    report["units_decided"] = choice.decided.sum()
    return report
