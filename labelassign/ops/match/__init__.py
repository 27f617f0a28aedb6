"""Ops of overlap matching."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.accelerator import lazily
from labelassign.ops.dispatch import Op
from labelassign.ops.match import limits, native, reference
from labelassign.ops.match.reference import RESCUE_HIGHEST, RESCUE_LAST, RESCUE_OFF
from labelassign.ops.objects import OBJECTS, usable
from labelassign.structures import rows

__all__ = ["RESCUE_HIGHEST", "RESCUE_LAST", "RESCUE_OFF", "match"]


def _match(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    rescue: int,
    min_iou: float,
    zero_rescues: bool,
    all_ties: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    able = usable(gt_boxes, gt_labels, offsets, ignore, classes)
    where = (prior_boxes, valid, gt_boxes, able, rows.image_of(offsets, gt_boxes.shape[0]), offsets.shape[0] - 1)
    return reference.match(*where, rescue, min_iou, zero_rescues, all_ties)


def _fake(
    prior_boxes: Tensor, valid: Tensor | None, gt_boxes: Tensor, gt_labels: Tensor, offsets: Tensor, *rest: object
) -> tuple[Tensor, ...]:
    row = offsets.new_empty(offsets.shape[0] - 1, prior_boxes.shape[-2])
    return row.float(), row, gt_boxes.new_empty(gt_boxes.shape[0]), row.clone()


match = Op(
    "match",
    f"(Tensor prior_boxes, Tensor? valid, {OBJECTS}, int rescue, float min_iou, bool zero_rescues, bool all_ties) "
    "-> (Tensor, Tensor, Tensor, Tensor)",
    _match,
    _fake,
    {"triton": (lazily("match", "match"), limits.refusal), "native": (native.match, native.refusal)},
).register()
"""Best overlap `[B, N]` and its row `[B, N]` (-1: none; ties: lower row), best overlap per row `[G]`, and the needy
row that claims a prior `[B, N]` (-1: none): one whose best overlap, at least `min_iou`, is at this prior. Between
claims the higher overlap and then the lower row wins (RESCUE_HIGHEST), or the later row (RESCUE_LAST)."""
