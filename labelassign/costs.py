"""Costs of a pair (ground truth, prediction)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from labelassign import checks
from labelassign.ops.candidates import pair_cost
from labelassign.structures import GroundTruth, Predictions


@dataclass(frozen=True)
class FocalIoU:
    """Focal loss summed over classes, plus weighted 1 - IoU: what the pair's loss would be if it were positive.

    float32 in, float64 inside, rounded once. A prediction with a NaN or infinity anywhere costs +inf. Objectness is not
    read. A softmax head's "no object" column is left out of the sum.

    Source: Nguyen et al., 2022, arXiv:2108.10520, equation 2; focal loss: Lin et al., 2017, arXiv:1708.02002.

    Arguments:
        alpha: weight of the positive class.
        gamma: focusing exponent.
        generalized: 1 - GIoU instead of 1 - IoU (mmdet and the authors of PAA).
        iou_weight: weight of the box term (mmdet: 1.3).
    Raises: ValueError for options out of range.

    Example:
        >>> la.FocalIoU(iou_weight=1.3)
        FocalIoU(alpha=0.25, gamma=2.0, generalized=False, iou_weight=1.3)
    """

    alpha: float = 0.25
    gamma: float = 2.0
    generalized: bool = False
    iou_weight: float = 1.0

    def __post_init__(self) -> None:
        """Check the options."""
        if not 0 <= self.alpha <= 1:
            checks.fail("FocalIoU", "0 <= alpha <= 1", self.alpha, "It weighs the positive class against the others.")
        checks.positive("FocalIoU", "gamma", self.gamma, zero=True)
        checks.positive("FocalIoU", "iou_weight", self.iou_weight, zero=True)

    def terms(self, predictions: Predictions) -> tuple[str, float, float, bool, float]:
        """What the ops take of this cost."""
        return predictions.scores_are, float(self.alpha), float(self.gamma), self.generalized, float(self.iou_weight)

    def pairs(self, gt: GroundTruth, predictions: Predictions, gt_row: Tensor, prior: Tensor) -> tuple[Tensor, Tensor]:
        """Cost and predicted overlap of single pairs `[M]`."""
        network = (predictions.scores, predictions.boxes, gt.boxes, gt.labels)
        return pair_cost(gt_row, prior, gt.image_of, *network, *self.terms(predictions))
