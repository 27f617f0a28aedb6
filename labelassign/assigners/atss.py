"""Adaptive training sample selection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from torch import Tensor

from labelassign import checks
from labelassign.assigners.base import Assigner
from labelassign.assigners.draft import Draft
from labelassign.ops.atss import atss
from labelassign.ops.objects import objects
from labelassign.structures import GroundTruth, Predictions, Priors


@dataclass(frozen=True)
class ATSS(Assigner):
    """Adaptive Training Sample Selection.

    For each ground truth take the `topk` priors nearest in centre on every level; the threshold is the mean plus the
    (unbiased) standard deviation of their IoUs. Positive: IoU at least the threshold, centre inside the object. A prior
    that several objects select goes to the highest IoU.

    Equals: mmdet 3.3.0 ATSSAssigner (tests/parity).   Differs: the threshold is computed in float64 and rounded once
    (with equal IoUs a float32 mean often exceeds them all, and the object loses every prior); a single candidate has
    standard deviation 0 instead of NaN; ties are defined.

    Source: Zhang et al., 2020, arXiv:1912.02424, section 3.

    Arguments:
        topk: candidates per ground truth and level. Paper: k.
        times_per_cell: multiply `topk` by the anchors per cell.
        keep_single: an object with one candidate in all may keep it.
        margin: the centre of a positive lies more than this inside every side, in pixels.
        ignore_iof: see `Assigner`.
    Ties: nearest: lower prior index; conflicts: lower ground-truth row.   Empty image: all background.
    Cost: one pass over [G, N] in blocks, memory O(G·L·K).
    Raises: ValueError if topk < 1.

    Example:
        >>> la.ATSS(topk=9)(priors, gt).per_gt_count.tolist()
        [4, 3, 2]
    """

    topk: int = 9
    times_per_cell: bool = False
    keep_single: bool = True
    margin: float = 0.01
    ignore_iof: float | None = 0.5

    def __post_init__(self) -> None:
        """Check the options."""
        checks.positive("ATSS", "topk", self.topk)

    @classmethod
    def mmdet(cls, topk: int = 9) -> Self:
        """As mmdet 3.3.0: no factor for anchors per cell; a single candidate gets nothing (its std is NaN)."""
        return cls(topk, keep_single=False, ignore_iof=None)

    @classmethod
    def original(cls, topk: int = 9) -> Self:
        """The authors' code: `topk` times the anchors per cell; a single candidate gets nothing."""
        return cls(topk, times_per_cell=True, keep_single=False, ignore_iof=None)

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
        topk = self.topk * (priors.per_cell if self.times_per_cell else 1)
        where = (priors.boxes, priors.valid, *objects(gt, predictions), list(priors.level_sizes))
        return Draft.completed(atss(*where, topk, self.keep_single, float(self.margin), self._ignored_share))
