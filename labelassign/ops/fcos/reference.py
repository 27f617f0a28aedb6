"""What every point learns, and how central it is there: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.geometry import centres
from labelassign.ops.complete.reference import complete
from labelassign.ops.fcos.smallest import ranges_of, smallest
from labelassign.ops.objects import usable
from labelassign.structures import Reason, rows
from labelassign.structures.targets import take_rows


def fcos(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    strides: Tensor | None,
    level_sizes: list[int],
    ranges: list[float],
    radius: float,
    rule: int,
    ignore_iof: float,
) -> tuple[Tensor, ...]:
    """See `labelassign.ops.fcos`."""
    image_of, images = rows.image_of(offsets, gt_boxes.shape[0]), offsets.shape[0] - 1
    able = usable(gt_boxes, gt_labels, offsets, ignore, classes)
    reach = None if strides is None or radius < 0 else strides * radius
    limits = ranges_of(strides, prior_boxes, level_sizes, ranges, rule)
    where = (prior_boxes, valid, gt_boxes, able, image_of, images)
    index, near, kept = smallest(*where, reach, *limits, rule)
    reason = torch.where(kept, Reason.FINE, torch.where(near, Reason.REJECTED, Reason.NO_CANDIDATE)).to(torch.int8)
    quality = torch.where(index >= 0, centerness(prior_boxes, take_rows(gt_boxes, index)), 0.0)
    objects = (gt_boxes, gt_labels, offsets, ignore, classes)
    index, *weights, reason = complete(index, reason, None, prior_boxes, valid, *objects, ignore_iof)
    return index, quality, *weights, reason


def centerness(priors: Tensor, boxes: Tensor) -> Tensor:
    """Root of (nearer over farther side, across) times (the same, down) of centres inside boxes; anything outside."""
    point, boxes = centres(priors).double(), boxes.double()
    before, after = point - boxes[..., :2], boxes[..., 2:] - point
    ratio = torch.minimum(before, after) / torch.maximum(before, after)
    return ratio.prod(-1).sqrt().float()
