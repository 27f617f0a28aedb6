"""The smallest object that every point may learn."""

from __future__ import annotations

import math
from functools import reduce

import torch
from torch import Tensor

from labelassign.geometry import area, centres
from labelassign.ops.blocks import LOW32, row_blocks
from labelassign.structures import BACKGROUND

PAPER, MMDET, TORCHVISION = 0, 1, 2

_MOST = 1e8  # what both systems take for more than any area
_MOST_BITS, _INFINITE_BITS, _NEVER = 0x4CBEBC20, 0x7F800000, torch.iinfo(torch.int64).max


def ranges_of(
    strides: Tensor | None, like: Tensor, level_sizes: list[int], ranges: list[float], rule: int
) -> tuple[Tensor, Tensor]:
    """The lowest and the highest distance `[N]` at which each prior learns, in pixels."""
    if strides is None or ranges:
        ends = [like.new_full((size, 2), 0.0) for size in level_sizes]
        for level, end in enumerate(ends):
            end[:, 0], end[:, 1] = ranges[2 * level], ranges[2 * level + 1]
        low, high = torch.cat(ends).unbind(1)
        return low, high
    low, high = strides * 4, strides * 8
    held = [size for size in level_sizes if size]
    if held:  # the first and the last level that have priors are open towards the outside
        low[: held[0]] = 0.0
        high[high.shape[0] - held[-1] :] = _MOST if rule == MMDET else math.inf
    return low, high


def _ranks(boxes: Tensor, rule: int) -> tuple[Tensor, int]:
    """What an object competes with, as int32 (lower wins), and what nobody competes with."""
    size = area(boxes)
    if rule == TORCHVISION:
        value = 1e8 - size
        return _MOST_BITS - torch.where(value < 1e-5, 0.0, value).view(torch.int32), _MOST_BITS
    if rule == MMDET:
        return size.view(torch.int32), _MOST_BITS
    return size.clamp(max=torch.finfo(torch.float32).max).view(torch.int32), _INFINITE_BITS


def _inside(points: Tensor, boxes: Tensor, reach: Tensor | None, rule: int) -> Tensor:
    """Whether a point lies strictly inside the object, and less than `reach` from its centre along both axes."""
    found = torch.ones((), dtype=torch.bool, device=points.device)
    middle = centres(boxes)
    for axis in (0, 1):
        at, low, high = points[..., axis], boxes[..., axis], boxes[..., axis + 2]
        if reach is not None and rule == TORCHVISION:
            found = found & ((at - middle[..., axis]).abs() < reach)
        elif reach is not None:
            low = torch.maximum(low, middle[..., axis] - reach)
            high = torch.minimum(high, middle[..., axis] + reach)
        found = found & (at > low) & (at < high)
    return found


def _farthest(points: Tensor, boxes: Tensor) -> Tensor:
    """The largest of the four distances from a point to the sides of an object."""
    x, y = points[..., 0], points[..., 1]
    sides = (x - boxes[..., 0], y - boxes[..., 1], boxes[..., 2] - x, boxes[..., 3] - y)
    return reduce(torch.maximum, sides)


def smallest(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    usable: Tensor,
    image_of: Tensor,
    images: int,
    reach: Tensor | None,
    low: Tensor,
    high: Tensor,
    rule: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Row of every prior `[B, N]` (or BACKGROUND), and which rows have priors inside, and inside and in range `[G]`.

    PAPER: the smallest area, exactly; ranges are closed. MMDET: an area of 1e8 square pixels or more loses to what does
    not match, if there is any. TORCHVISION: the largest 1e8 - area in float32; ranges are open. Ties: lower row.
    """
    total, n, device = gt_boxes.shape[0], prior_boxes.shape[-2], gt_boxes.device
    points, (rank, nobody) = centres(prior_boxes), _ranks(gt_boxes, rule)
    packed = (rank.to(torch.int64) << 32) | torch.arange(total, device=device)
    # rows that may own nothing go to a spare image
    home = torch.where(usable, image_of, images)[:, None]
    key = torch.full((images + 1, n), _NEVER, dtype=torch.int64, device=device)
    near, kept = torch.zeros_like(usable), torch.zeros_like(usable)
    for part in row_blocks(total, n) if n else ():
        boxes = gt_boxes[part, None]
        mine = points if points.dim() == 2 else points[image_of[part]]
        inside, far = _inside(mine, boxes, reach, rule), _farthest(mine, boxes)
        if valid is not None:
            inside = inside & valid[image_of[part]]
        match = (far > low) & (far < high) if rule == TORCHVISION else (far >= low) & (far <= high)
        match = match & inside
        near[part], kept[part] = inside.any(1), match.any(1)
        bid = torch.where(match, packed[part, None], nobody << 32)
        key.scatter_reduce_(0, home[part].expand(-1, n), bid, "amin")
    won, row = key[:images] >> 32, key[:images] & LOW32
    index = torch.where((won != nobody) & (key[:images] != _NEVER), row, BACKGROUND)
    return index, near, kept & (rank < nobody)
