"""The threshold of every object and who wins a prior: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.ops.atss.nearest import nearest
from labelassign.ops.blocks import ONE_BITS, falling
from labelassign.ops.complete.reference import complete
from labelassign.ops.objects import usable
from labelassign.ops.resolve.reference import owners
from labelassign.structures import Reason, rows


def atss(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    level_sizes: list[int],
    topk: int,
    keep_single: bool,
    margin: float,
    ignore_iof: float,
) -> tuple[Tensor, ...]:
    """See `labelassign.ops.atss`."""
    image_of = rows.image_of(offsets, gt_boxes.shape[0])
    able = usable(gt_boxes, gt_labels, offsets, ignore, classes)
    chosen = nearest(prior_boxes, valid, gt_boxes, able, image_of, level_sizes, topk)
    prior, iou, inside = (t.flatten(1) for t in chosen)
    present = prior >= 0
    kept = present & (iou >= _threshold(iou, present, keep_single)[:, None]) & (inside > margin)
    key = falling(iou)  # the highest overlap wins
    index, won = owners(prior, kept.to(torch.int8), key, image_of, offsets.shape[0] - 1, prior_boxes.shape[-2])
    quality = torch.where(index >= 0, (ONE_BITS - won.view(torch.int32)).view(torch.float32), 0.0)
    reason = torch.where(kept.any(1), Reason.FINE, Reason.REJECTED)
    reason = torch.where(present.any(1), reason, Reason.NO_CANDIDATE).to(torch.int8)
    objects = (gt_boxes, gt_labels, offsets, ignore, classes)
    index, *weights, reason = complete(index, reason, None, prior_boxes, valid, *objects, ignore_iof)
    return index, quality, *weights, reason


def _threshold(iou: Tensor, present: Tensor, keep_single: bool) -> Tensor:
    value, count = iou.double(), present.sum(1)
    mean = value.sum(1) / count.clamp(min=1)
    spread = (torch.where(present, value - mean[:, None], 0.0)).square().sum(1)
    threshold = mean + (spread / (count - 1).clamp(min=1)).sqrt()
    if not keep_single:
        threshold = torch.where(count == 1, torch.inf, threshold)
    return threshold.float()
