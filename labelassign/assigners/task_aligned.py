"""Task-aligned assignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from labelassign import checks
from labelassign.assigners.central import CONFLICTS, Central
from labelassign.assigners.cost_based import Decision, Networks
from labelassign.geometry import centres
from labelassign.ops.central.costs import OVERLAPS, Rule
from labelassign.ops.central.scene import Region
from labelassign.structures import Candidates, GroundTruth, Predictions, Priors


@dataclass(frozen=True)
class TaskAligned(Central):
    """Every object takes the `topk` priors of highest alignment t = score^alpha · overlap^beta that lie in it.

    The cost is -log t = -alpha · log(score) - beta · log(overlap), of the object's own class alone. A prior whose t is
    0 is never taken. One that several objects keep goes to the highest overlap. Soft target: t over the object's
    highest t, times its highest overlap.

    Equals: mmdet 3.3.0 TaskAlignedAssigner through `tood()`, ultralytics 8.4 through `ultralytics()` (tests/parity).
    Differs: the plain class ranks the priors inside an object alone, so that others cannot crowd them out; float64
    inside, so that overlap^6 of half precision does not vanish.

    Source: Feng et al., 2021, arXiv:2108.07755, section 3.2.

    Arguments:
        topk: priors per object. Paper: m.
        alpha: exponent of the score.
        beta: exponent of the overlap.
        overlap: "iou", "giou" or "ciou" of the predicted box; below 0 it counts as 0.
        margin: the centre of a positive lies more than this inside every side, in pixels.
        floor: for that test, sides below this many pixels are widened to it.
        ranked: "inside" (priors in the object) or "every" (all priors; those outside are dropped afterwards).
        conflict: "claimants" or "all", see `Central`.
        eps: added to the object's highest t below the fraction of the soft target (an object whose best prior is hardly
            aligned then learns less).
        ignore_iof: see `Assigner`.
    Ties: lower cost, then lower prior index; conflicts: lower ground-truth row.   Empty image: all background.
    Raises: ValueError for unknown rules.

    Example:
        >>> la.TaskAligned()(priors, gt, predictions).per_gt_count.tolist()
        [13, 13, 13]
    """

    topk: int = 13
    alpha: float = 1.0
    beta: float = 6.0
    overlap: str = "iou"
    margin: float = 0.01
    floor: float = 0.0
    ranked: str = "inside"
    conflict: str = "claimants"
    eps: float = 0.0
    ignore_iof: float | None = 0.5

    def __post_init__(self) -> None:
        """Check the options."""
        checks.positive("TaskAligned", "topk", self.topk)
        checks.choice("TaskAligned", "overlap", self.overlap, OVERLAPS)
        checks.choice("TaskAligned", "ranked", self.ranked, ("inside", "every"))
        checks.choice("TaskAligned", "conflict", self.conflict, CONFLICTS)
        for name in ("alpha", "beta", "floor", "eps"):
            checks.positive("TaskAligned", name, getattr(self, name), zero=True)

    @classmethod
    def tood(cls) -> Self:
        """As mmdet 3.3.0 for TOOD: the best 13 of all priors; those whose centre lies outside are lost."""
        return cls(ranked="every", eps=1e-7, ignore_iof=None)

    @classmethod
    def ultralytics(cls) -> Self:
        """As ultralytics 8.4's trainers: CIoU, 10 priors, exponents 0.5 and 6, sides below 16 pixels widened to it.

        A contested prior goes to the highest overlap of all objects that hold it, kept or not. Where fewer than 10
        priors have t > 0 theirs takes some without any, by chance; this never does.
        """
        return cls(10, 0.5, 6.0, "ciou", 1e-9, 16.0, conflict="all", eps=1e-9, ignore_iof=None)

    @classmethod
    def ppyoloe(cls) -> Self:
        """As PaddleDetection for PP-YOLOE, but for its share-wise margin: a contested prior goes to the best of all."""
        return cls(margin=0.0, conflict="all", eps=1e-9, ignore_iof=None)

    @property
    def _region(self) -> Region:
        pool = "own" if self.ranked == "inside" else "every"
        return Region("box", 0.0, float(self.margin), float(self.floor), pool, 0.0)

    @property
    def _lists(self) -> tuple[int, int]:
        return self.topk, 0

    @property
    def _by(self) -> str:
        return "iou"

    def _rule(self, predictions: Predictions) -> Rule:
        return Rule("aligned", [float(self.alpha), float(self.beta)], self.overlap, predictions.scores_are)

    def _decide(self, priors: Priors, gt: GroundTruth, candidates: Candidates) -> Decision:
        """All that are listed and lie in the object."""
        held = candidates.prior >= 0
        if self.ranked == "every":
            points, prior = centres(priors.boxes), candidates.prior.clamp(min=0)
            point = points[prior] if points.dim() == 2 else points[gt.image_of[:, None, None], prior]
            held &= self._region.parts(point, gt.boxes[:, None, None], None)[0]
        return Decision(held.to(torch.int8), {})

    def _soft_targets(self, priors: Priors, gt: GroundTruth, networks: Networks, gt_index: Tensor) -> Tensor | None:
        cost, iou = self._owned(priors, gt, networks, gt_index)
        row, rows = torch.where(gt_index >= 0, gt_index, gt.num_rows).flatten(), gt.num_rows + 1
        least = torch.full((rows,), torch.inf, device=cost.device).scatter_reduce(0, row, cost.flatten(), "amin")
        most = torch.zeros(rows, device=cost.device).scatter_reduce(0, row, iou.flatten(), "amax")
        # t over the highest t, without either: powers of small numbers would vanish
        first = least[row].view_as(cost).double()
        behind = torch.where(torch.isfinite(first), (cost.double() - first).clamp(min=0), torch.inf)
        share = torch.exp(-behind) / (1 + self.eps * torch.exp(first) if self.eps else 1.0)
        return (share * most[row].view_as(cost)).float()
