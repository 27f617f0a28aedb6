"""The boxes closest to every object by the sum of distances of centre and size."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.geometry import paired_iou
from labelassign.ops.blocks import pack, row_blocks, tame, unpack


def _form(boxes: Tensor) -> tuple[Tensor, ...]:
    """Centre and size, each `[..., N]` float64."""
    low, high = boxes[..., :2].double(), boxes[..., 2:].double()
    return *((low + high) / 2).unbind(-1), *(high - low).unbind(-1)


def closest(
    boxes: Tensor, free: Tensor, gt_boxes: Tensor, usable: Tensor, image_of: Tensor, times: int
) -> tuple[Tensor, Tensor]:
    """The `times` free boxes closest to each object `[G, times]`, nearest first (-1: fewer), and their distances.

    |cx - cx'| + |cy - cy'| + |w - w'| + |h - h'| in pixels, float64, rounded once. Ties: lower index. boxes `[N, 4]` or
    `[B, N, 4]`; free `[B, N]`.
    """
    total, n, device = gt_boxes.shape[0], boxes.shape[-2], gt_boxes.device
    shared, parts, wanted = boxes.dim() == 2, _form(boxes), _form(gt_boxes)
    prior = torch.full((total, times), -1, dtype=torch.int64, device=device)
    distance = torch.full((total, times), torch.inf, device=device)
    index = torch.arange(n, device=device)
    for part in row_blocks(total, n) if n else ():
        image = image_of[part]
        far = torch.zeros(image.shape[0], n, dtype=torch.float64, device=device)
        for mine, theirs in zip(parts, wanted, strict=True):
            far += (theirs[part, None] - (mine if shared else mine[image])).abs_()
        value = far.float().masked_fill_(~free[image], torch.inf)
        key = pack(value, index).topk(min(times, n), dim=1, largest=False, sorted=True).values
        near, found = unpack(key)
        held, width = usable[part, None] & torch.isfinite(near), key.shape[1]
        prior[part, :width] = torch.where(held, found, -1)
        distance[part, :width] = torch.where(held, near, torch.inf)
    return prior, distance


def crowded(boxes: Tensor, gt_boxes: Tensor, usable: Tensor, image_of: Tensor, images: int, overlap: float) -> Tensor:
    """`[B, N]`: whether a box `[B, N, 4]` overlaps any object of its image by more than `overlap`."""
    total, n = gt_boxes.shape[0], boxes.shape[-2]
    boxes, objects = tame(boxes), tame(gt_boxes)
    out = torch.zeros(images, n, dtype=torch.int32, device=boxes.device)
    for part in row_blocks(total, n) if n else ():
        hit = (paired_iou(boxes[image_of[part]], objects[part, None]) > overlap) & usable[part, None]
        out.scatter_reduce_(0, image_of[part, None].expand(-1, n), hit.int(), "amax")
    return out.bool()
