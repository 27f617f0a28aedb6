"""Task-aligned assignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from labelassign import checks
from labelassign.assigners.central import CONFLICTS, Central
from labelassign.assigners.cost_based import Decision, Networks
from labelassign.geometry import is_rotated
from labelassign.ops.central.costs import OVERLAPS, Rule
from labelassign.ops.central.decide import lies_inside, share_of_best
from labelassign.ops.central.scene import Region
from labelassign.structures import Candidates, GroundTruth, Predictions, Priors


@dataclass(frozen=True)
class TaskAligned(Central):
    """Every object takes the `topk` priors of highest alignment t = score^alpha · overlap^beta that lie in it.

    The cost is -log t = -alpha · log(score) - beta · log(overlap), of the object's own class alone. A prior whose t is
    0 is never taken. One that several objects keep goes to the highest overlap. Soft target: t over the object's
    highest t, times its highest overlap.

    Equals: mmdet 3.3.0 through `tood()`, PaddleDetection through `ppyoloe()`, ultralytics 8.4 through `ultralytics()`,
    `ultralytics_obb()`, `yolov10_one2one()` and `yolo26_one2one()` (tests/parity).
    Differs: the plain class ranks the priors inside an object alone, so that others cannot crowd them out; float64
    inside, so that overlap^6 of half precision does not vanish.

    Source: Feng et al., 2021, arXiv:2108.07755, section 3.2.

    Arguments:
        topk: priors per object. Paper: m.
        alpha, beta: exponents of the score and of the overlap.
        overlap: "iou", "giou" or "ciou" of the predicted box, of a rotated one "iou" or "prob_iou"; 0 if negative.
        margin: the centre of a positive lies more than this inside every side, in pixels.
        floor: for that test, sides below this many pixels are widened to it.
        ranked: "inside" (priors in the object) or "every" (all priors; those outside are dropped afterwards).
        conflict: "claimants" or "all", see `Central`, or "every": as "all", with the objects that it lies outside of.
        eps: added to the object's highest t below the fraction of the soft target (so that low ones teach less).
        topk2: how many of the priors that it has won an object keeps, the best aligned; None: all. With 1 no object
            has two; one that loses its `topk` to others still has none.
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
    topk2: int | None = None
    ignore_iof: float | None = 0.5

    def __post_init__(self) -> None:
        """Check the options."""
        checks.positive("TaskAligned", "topk", self.topk)
        checks.choice("TaskAligned", "overlap", self.overlap, OVERLAPS)
        checks.choice("TaskAligned", "ranked", self.ranked, ("inside", "every"))
        checks.choice("TaskAligned", "conflict", self.conflict, (*CONFLICTS, "every"))
        checks.positive("TaskAligned", "topk2", self.topk if self.topk2 is None else self.topk2)
        for name in ("alpha", "beta", "floor", "eps"):
            checks.positive("TaskAligned", name, getattr(self, name), zero=True)

    @classmethod
    def tood(cls) -> Self:
        """As mmdet 3.3.0 for TOOD: the best 13 of all priors; those whose centre lies outside are lost."""
        return cls(ranked="every", eps=1e-7, ignore_iof=None)

    @classmethod
    def ultralytics(cls, topk: int = 10, topk2: int | None = None) -> Self:
        """As ultralytics 8.4's trainers: CIoU, 10 priors, exponents 0.5 and 6, sides below 16 pixels widened to it.

        A contested prior goes to the highest overlap of all objects that hold it, kept or not. Where fewer than `topk`
        priors have t > 0 theirs takes some without any, by chance; this never does.
        """
        return cls(topk, 0.5, 6.0, "ciou", 1e-9, 16.0, conflict="all", eps=1e-9, topk2=topk2, ignore_iof=None)

    @classmethod
    def ultralytics_obb(cls) -> Self:
        """As `ultralytics()` for rotated boxes: probIoU (without added constants), and the sides are inside, too."""
        return cls(10, 0.5, 6.0, "prob_iou", -1e-9, 16.0, conflict="all", eps=1e-9, ignore_iof=None)

    @classmethod
    def yolov10_one2one(cls) -> Self:
        """YOLOv10's one-to-one branch: `ultralytics(1)`. As published, an object may win a second, contested prior."""
        return cls.ultralytics(1)

    @classmethod
    def yolo26_one2one(cls) -> Self:
        """YOLO26's one-to-one branch: `ultralytics(7, 1)`, so that no object has two priors."""
        return cls.ultralytics(7, 1)

    @classmethod
    def ppyoloe(cls) -> Self:
        """As PaddleDetection 2.6 for PP-YOLOE: contested priors go to the highest overlap of all objects of the image.

        So may one that lies outside of its object. (The code of 2021 had a margin of 0.001 of the object's side.)
        """
        return cls(margin=1e-9, conflict="every", eps=1e-9, ignore_iof=None)

    @property
    def _region(self) -> Region:
        pool = "own" if self.ranked == "inside" else "every"
        return Region("box", 0.0, float(self.margin), float(self.floor), pool, 0.0)

    @property
    def _lists(self) -> tuple[int, int]:
        return self.topk, 0

    @property
    def _most(self) -> int | None:
        return self.topk2

    @property
    def takes_rotated(self) -> bool:
        """Objects may be rotated boxes."""
        return True

    def _rule(self, predictions: Predictions) -> Rule:
        if is_rotated(predictions.boxes):
            checks.choice("TaskAligned of rotated boxes", "overlap", self.overlap, ("iou", "prob_iou"))
        return Rule("aligned", [float(self.alpha), float(self.beta)], self.overlap, predictions.scores_are)

    @property
    def _answer(self) -> tuple[str, bool, float] | None:
        decide = "inside" if self.ranked == "every" else "listed"
        return (decide, True, float(self.eps)) if type(self) is TaskAligned else None

    def _decide(self, priors: Priors, gt: GroundTruth, candidates: Candidates) -> Decision:
        held = candidates.prior >= 0
        if self.ranked == "every":
            held &= lies_inside(self._region, priors.boxes, gt.boxes, gt.image_of, candidates.prior)
        return Decision(held.to(torch.int8), {})

    def _soft_targets(self, priors: Priors, gt: GroundTruth, networks: Networks, gt_index: Tensor) -> Tensor | None:
        return share_of_best(*self._owned(priors, gt, networks, gt_index), gt_index, gt.num_rows, self.eps)
