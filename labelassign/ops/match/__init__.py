"""Ops of overlap matching."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.dispatch import Op
from labelassign.ops.match import reference
from labelassign.ops.match.reference import RESCUE_HIGHEST, RESCUE_LAST, RESCUE_OFF

__all__ = ["RESCUE_HIGHEST", "RESCUE_LAST", "RESCUE_OFF", "match"]


def _fake_match(prior_boxes: Tensor, valid: Tensor | None, gt_boxes: Tensor, *rest: object) -> tuple[Tensor, ...]:
    images, n = rest[2], prior_boxes.shape[-2]
    iou = gt_boxes.new_empty((images, n))  # pyright: ignore[reportCallIssue, reportArgumentType]
    return iou, iou.long(), gt_boxes.new_empty(gt_boxes.shape[0]), iou.long()


match = Op(
    "match",
    "(Tensor prior_boxes, Tensor? valid, Tensor gt_boxes, Tensor usable, Tensor image_of, SymInt images, int rescue, "
    "float min_iou, bool zero_rescues, bool all_ties) -> (Tensor, Tensor, Tensor, Tensor)",
    reference.match,
    _fake_match,
).register()
"""Best overlap `[B, N]` and its row `[B, N]` (-1: none; ties: lower row), best overlap per row `[G]`, and the needy
row that claims a prior `[B, N]` (-1: none): one whose best overlap, at least `min_iou`, is at this prior. Between
claims the higher overlap and then the lower row wins (RESCUE_HIGHEST), or the later row (RESCUE_LAST)."""
