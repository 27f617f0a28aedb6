"""The priors nearest in centre, level by level: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.geometry import centres
from labelassign.ops.blocks import pack, row_blocks


def nearest(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    usable: Tensor,
    image_of: Tensor,
    level_sizes: list[int],
    topk: int,
) -> Tensor:
    """See `labelassign.ops.nearest`."""
    points, targets = centres(prior_boxes), centres(gt_boxes)
    never = torch.iinfo(torch.int64).max
    out = torch.full((gt_boxes.shape[0], len(level_sizes), topk), -1, dtype=torch.int64, device=gt_boxes.device)
    begin = 0
    for level, size in enumerate(level_sizes):
        index = torch.arange(begin, begin + size, device=gt_boxes.device)
        for part in row_blocks(gt_boxes.shape[0], size) if size else ():
            image = image_of[part]
            near = points[index] if points.dim() == 2 else points[image][:, index]
            # squares summed in float32 without contraction; no root, which would only add ties
            dx, dy = near[..., 0] - targets[part, None, 0], near[..., 1] - targets[part, None, 1]
            distance = dx.square_().add_(dy.square_())
            allowed = usable[part, None] & torch.isfinite(distance)
            if valid is not None:
                allowed = allowed & valid[image][:, index]
            key = torch.where(allowed, pack(distance.nan_to_num_(nan=0.0), index), never)
            key = key.topk(min(topk, size), dim=1, largest=False, sorted=True).values
            out[part, level, : key.shape[1]] = torch.where(key < never, key & 0xFFFFFFFF, -1)
        begin += size
    return out
