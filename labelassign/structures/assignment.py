"""The record of results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

from jaxtyping import Bool, Float, Int
from torch import Tensor

from labelassign import checks
from labelassign.structures import targets as _targets
from labelassign.structures.ground_truth import GroundTruth
from labelassign.structures.priors import Priors
from labelassign.structures.reasons import BACKGROUND, IGNORE, Reason
from labelassign.structures.record import Record


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True, repr=False)
class Assignment(Record):
    """Which ground truth every prior learns, and why a ground truth got what it got.

    Attributes:
        gt_index: row of the `GroundTruth` `[B, N]`, or BACKGROUND (-1), or IGNORE (-2).
        quality: what the method ranked by `[B, N]`, in 0..1 and rising: the overlap (MaxIoU, ATSS) or exp(-cost).
        cls_target: soft class score of positives `[B, N]`, 1 for hard methods, 0 elsewhere.
        cls_weight: weight of the classification loss `[B, N]`; background counts (1), IGNORE does not (0).
        loc_weight: weight of the box loss `[B, N]`; 0 where not positive.
        reason: a `Reason` code for every ground truth `[G]`, int8.
        offsets: the `GroundTruth`'s row bounds `[B + 1]`.
        diagnostics: named tensors that a method adds; always finite.

    Example:
        >>> a = la.ATSS()(priors, gt)
        >>> a
        Assignment(2 images, 400 priors: 9 positive, 791 background, 0 ignored; 3 objects, 0 without priors)
    """

    gt_index: Int[Tensor, "B N"]
    quality: Float[Tensor, "B N"]
    cls_target: Float[Tensor, "B N"]
    cls_weight: Float[Tensor, "B N"]
    loc_weight: Float[Tensor, "B N"]
    reason: Int[Tensor, " G"]
    offsets: Int[Tensor, " B1"]
    diagnostics: Mapping[str, Tensor]

    @property
    def positive(self) -> Bool[Tensor, "B N"]:
        """Priors that learn an object."""
        return self.gt_index >= 0

    @property
    def background(self) -> Bool[Tensor, "B N"]:
        """Priors that learn that nothing is there."""
        return self.gt_index == BACKGROUND

    @property
    def ignored(self) -> Bool[Tensor, "B N"]:
        """Priors that take no part in the loss."""
        return self.gt_index == IGNORE

    @property
    def per_gt_count(self) -> Int[Tensor, " G"]:
        """How many priors each ground truth owns `[G]`."""
        return _targets.count_rows(self.gt_index, self.reason.shape[0])

    @property
    def reasons(self) -> list[str]:
        """The names of `reason`, one per ground truth (waits for the device)."""
        return [Reason(code).name for code in self.reason.tolist()]

    def targets(
        self,
        gt: GroundTruth,
        *,
        background: int,
        one_hot: bool = False,
        coder: Any = None,
        priors: Priors | None = None,
    ) -> _targets.Targets:
        """What a loss needs: labels, boxes, cls_weight, loc_weight.

        Arguments:
            gt: the ground truth of the call.
            background: the class number for priors that are not positive (mmdet: C). With `one_hot`, C.
            one_hot: give labels as `[B, N, C]` scores holding `cls_target`, all zero on background.
            coder: encode the boxes, with `encode(priors, boxes)`; needs `priors`.
            priors: only for `coder`.
        """
        self._same_rows(gt, "targets")
        return _targets.make(self, gt, background, one_hot, coder, priors)

    def overlap(self, boxes: Float[Tensor, "B N D"], gt: GroundTruth) -> Float[Tensor, "B N"]:
        """IoU of a network's decoded boxes with their assigned objects, 0 where not positive; no gradient.

        The boxes are those of the network being trained, so co-trained networks call it once each.
        """
        self._same_rows(gt, "overlap")
        checks.boxes("Assignment.overlap", "boxes", boxes, self.gt_index.shape, "floating")
        return _targets.overlap(self.gt_index, boxes, gt)

    def normalizer(
        self, kind: str = "num_pos", *, reduce: bool = False, overlap: Tensor | None = None, minimum: float = 1.0
    ) -> Float[Tensor, ""]:
        """A loss's divisor as a 0-d tensor: Σ over the batch, averaged over replicas, then clamped.

        Arguments:
            kind: "num_pos", "score_sum" (of `cls_target`) or "iou_sum" (of `overlap`).
            reduce: average over the ranks of torch.distributed if it is up. With the mean of the ranks' gradients this
                gives Σ loss / Σ divisor over all replicas.
            overlap: what `Assignment.overlap` returned; only for "iou_sum".
            minimum: lower bound, applied last, so that a rank without objects does not change the others' share.
        """
        return _targets.normalizer(self, kind, reduce, overlap, minimum)

    def to_pairs(self) -> list[tuple[Tensor, Tensor]]:
        """Per image the positive priors and their objects' places inside the image (waits for the device)."""
        return _targets.pairs(self.gt_index - self.offsets[:-1, None])

    def with_gt_index(self, gt_index: Tensor, reason: Tensor) -> Self:
        """The same result for other owners: weights, targets and quality of priors that lose their object go to 0."""
        positive = (gt_index >= 0).float()
        return replace(
            self,
            gt_index=gt_index,
            quality=self.quality * (gt_index == self.gt_index),
            cls_target=self.cls_target * positive,
            cls_weight=self.cls_weight * (gt_index != IGNORE),
            loc_weight=self.loc_weight * positive,
            reason=reason,
        )

    def _same_rows(self, gt: GroundTruth, method: str) -> None:
        rows = {"assignment": self.reason.shape[0], "ground truth": gt.num_rows}
        checks.equal(f"Assignment.{method}", "number of rows", rows, "Pass the ground truth of the call.")

    def __repr__(self) -> str:
        b, n = self.gt_index.shape
        size = f"{b} images, {n} priors"
        if not checks.values_visible(self.gt_index):  # counting would wait for the device
            return f"Assignment({size} each, {self.reason.shape[0]} rows, on {self.gt_index.device})"
        counts = [int(view.sum()) for view in (self.positive, self.background, self.ignored)]
        objects = (self.reason != Reason.IGNORED) & (self.reason != Reason.PADDING)
        missing = int((objects & (self.per_gt_count == 0)).sum())
        found = "{} positive, {} background, {} ignored".format(*counts)
        return f"Assignment({size}: {found}; {int(objects.sum())} objects, {missing} without priors)"
