"""Assignment by the highest overlap with an anchor."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from torch import Tensor

from labelassign import checks
from labelassign.assigners.base import Assigner
from labelassign.assigners.draft import Draft
from labelassign.ops.match import RESCUE_HIGHEST, RESCUE_LAST, RESCUE_OFF
from labelassign.ops.max_iou import max_iou
from labelassign.ops.objects import objects
from labelassign.structures import GroundTruth, Predictions, Priors

LOW_QUALITY = ("off", "force_gt", "restore_argmax", "label_only")


@dataclass(frozen=True)
class MaxIoU(Assigner):
    """Every prior takes the object that it overlaps most, if that is enough; needy objects may be rescued.

    Positive: best IoU >= `pos_iou`. Background: best IoU below `neg_iou` (or inside [lo, hi)). Else IGNORE.
    A *needy* object claims the priors of its own best overlap, however small. `low_quality` says what a claim does:

    - "force_gt": the prior learns the needy object (mmdet, and torchvision's SSD).
    - "restore_argmax": the prior becomes positive for the object that *it* overlaps most (torchvision).
    - "label_only": detectron2's name for the same outcome: it raises the label, the object stays the argmax.
    - "off": no claims.

    Equals: torchvision 0.29 Matcher and SSDMatcher, mmdet 3.3.0 MaxIoUAssigner through the presets (tests/parity).
    Differs: the plain class lets no object without any overlap claim priors (in both systems such an object claims
    every prior that it does not touch), and between claims the higher overlap wins instead of the later row. Whole
    numbers are thresholds like others (mmdet reads an int `neg_iou_thr` as no threshold at all).

    Source: Ren et al., 2015, arXiv:1506.01497, section 3.1.2; Lin et al., 2017, arXiv:1708.02002, section 4.

    Arguments:
        pos_iou: least IoU of a positive.
        neg_iou: IoU below which a prior is background, or (lo, hi).
        low_quality: see above.
        min_pos_iou: least best IoU of an object that may claim.
        zero_rescues: an object without any overlap may claim, too.
        all_ties: claim all priors of equal best overlap, not only the first.
        last_row_wins: between claims the later row wins.
        ignore_iof: see `Assigner`.
    Ties: lower ground-truth row.   Empty image: all background.   Cost: two passes over [G, N], in blocks.
    Raises: ValueError for thresholds out of order or unknown rules.

    Example:
        >>> la.MaxIoU(pos_iou=0.5, neg_iou=0.4)(priors, gt).per_gt_count.tolist()
        [4, 4, 5]
    """

    pos_iou: float = 0.5
    neg_iou: float | tuple[float, float] = 0.4
    low_quality: str = "force_gt"
    min_pos_iou: float = 0.0
    zero_rescues: bool = False
    all_ties: bool = True
    last_row_wins: bool = False
    ignore_iof: float | None = 0.5

    def __post_init__(self) -> None:
        """Check the options."""
        checks.choice("MaxIoU", "low_quality", self.low_quality, LOW_QUALITY)
        lo, hi = self._negatives
        if not 0 <= lo <= hi <= self.pos_iou:
            got = f"neg_iou={self.neg_iou}, pos_iou={self.pos_iou}"
            checks.fail("MaxIoU", "0 <= neg_iou (lo <= hi) <= pos_iou", got, "Put the thresholds in order.")

    @property
    def _negatives(self) -> tuple[float, float]:
        lo, hi = self.neg_iou if isinstance(self.neg_iou, tuple) else (0.0, self.neg_iou)
        return float(lo), float(hi)

    @classmethod
    def _torchvision(cls, pos: float, neg: float, low_quality: str) -> Self:
        return cls(pos, neg, low_quality, zero_rescues=True, ignore_iof=None)

    @classmethod
    def rpn(cls) -> Self:
        """As torchvision's region proposal network: 0.7 / 0.3, claims restore the argmax. Sample 256 at 1/2."""
        return cls._torchvision(0.7, 0.3, "restore_argmax")

    @classmethod
    def rcnn(cls) -> Self:
        """As torchvision's box head: 0.5 / 0.5, no claims. Append the objects to the proposals; sample 512 at 1/4."""
        return cls._torchvision(0.5, 0.5, "off")

    @classmethod
    def retinanet(cls) -> Self:
        """As torchvision's RetinaNet: 0.5 / 0.4, claims restore the argmax."""
        return cls._torchvision(0.5, 0.4, "restore_argmax")

    @classmethod
    def ssd(cls) -> Self:
        """As torchvision's SSD: 0.5 / 0.5, every object claims its first best prior, the later row wins."""
        return cls(0.5, 0.5, "force_gt", 0.0, True, False, True, None)

    @classmethod
    def mmdet_rpn(cls) -> Self:
        """As mmdet's RPN: 0.7 / 0.3, claims from IoU 0.3, the later row wins."""
        return cls(0.7, 0.3, "force_gt", 0.3, True, True, True, None)

    @classmethod
    def mmdet_rcnn(cls) -> Self:
        """As mmdet's R-CNN stage: 0.5 / 0.5, no claims."""
        return cls(0.5, 0.5, "off", 0.5, ignore_iof=None)

    @classmethod
    def mmdet_retinanet(cls) -> Self:
        """As mmdet's RetinaNet: 0.5 / 0.4, claims from IoU 0 (an object off all priors claims them), later row wins."""
        return cls(0.5, 0.4, "force_gt", 0.0, True, True, True, None)

    @property
    def takes_rotated(self) -> bool:
        """Objects may be rotated boxes."""
        return True

    def _assign(
        self,
        priors: Priors,
        gt: GroundTruth,
        predictions: Predictions | None,
        teacher: Predictions | None,
        step: int | Tensor | None,
    ) -> Draft:
        rescue = RESCUE_LAST if self.last_row_wins else RESCUE_HIGHEST
        rescue = RESCUE_OFF if self.low_quality == "off" else rescue
        rules = (rescue, float(self.min_pos_iou), self.zero_rescues, self.all_ties, self.low_quality == "force_gt")
        where = (priors.boxes, priors.valid, *objects(gt, predictions))
        return Draft.completed(max_iou(*where, float(self.pos_iou), *self._negatives, *rules, self._ignored_share))
