"""The priors nearest in centre, level by level."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.geometry import centres, margin, paired_iou
from labelassign.ops.blocks import pack, row_blocks, tame, unpack


def nearest(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    usable: Tensor,
    image_of: Tensor,
    level_sizes: list[int],
    topk: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """The `topk` valid priors of each level nearest in centre `[G, L, topk]`, nearest first; -1 where there are fewer.

    Also their overlaps (0 where absent), and how far inside the object their centres lie in pixels (-inf where absent).
    Squared distances in float32; ties by lower prior index.
    """
    rows, device = gt_boxes.shape[0], gt_boxes.device
    gt_boxes = tame(gt_boxes)
    targets, points = centres(gt_boxes), centres(prior_boxes)
    # what is not finite is infinitely far away, and that is never chosen
    points = torch.where(torch.isfinite(prior_boxes).all(-1, keepdim=True), points, torch.inf)
    out = torch.full((rows, len(level_sizes), topk), -1, dtype=torch.int64, device=device)
    begin = 0
    for level, size in enumerate(level_sizes):
        index = torch.arange(begin, begin + size, device=device)
        for part in row_blocks(rows, size) if size else ():
            near = points[..., begin : begin + size, :]
            near = near if points.dim() == 2 else near[image_of[part]]
            # squares summed in float32 without contraction; no root, which would only add ties
            dx, dy = near[..., 0] - targets[part, None, 0], near[..., 1] - targets[part, None, 1]
            distance = dx.square_().add_(dy.square_())
            if valid is not None:
                distance.masked_fill_(~valid[image_of[part], begin : begin + size], torch.inf)
            key = pack(distance, index).topk(min(topk, size), dim=1, largest=False, sorted=True).values
            far, prior = unpack(key)
            out[part, level, : key.shape[1]] = torch.where(usable[part, None] & torch.isfinite(far), prior, -1)
        begin += size
    # without priors any box serves to be masked
    boxes = tame(prior_boxes if begin else prior_boxes.new_zeros(1, prior_boxes.shape[-1]))
    safe = out.clamp(min=0)
    chosen = boxes[safe] if boxes.dim() == 2 else boxes[image_of[:, None, None], safe]
    held, objects = out >= 0, gt_boxes[:, None, None]
    iou = torch.where(held, paired_iou(chosen, objects), 0.0)
    return out, iou, torch.where(held, margin(centres(chosen), objects), -torch.inf)
