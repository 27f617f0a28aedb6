"""Measures of rotated boxes, taken of the pairs alone that can have anything in common."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from labelassign.geometry.rotated import extents
from labelassign.ops.blocks import selected


def among_near(measure: Callable[[Tensor, Tensor], Tensor], boxes: Tensor, objects: Tensor) -> Tensor:
    """`measure(box, object)` of boxes `[N, D]` or `[rows, N, D]` with objects `[rows, E]`, as `[rows, N]`.

    0 where the upright boxes around both do not even touch.
    """
    (middle, half), (centre, reach) = extents(boxes), extents(objects[:, None])
    near = ((middle - centre).abs() <= half + reach).all(-1)
    n = near.shape[1]
    place = selected(near.flatten())
    row, prior = place // n, place % n
    mine = boxes[prior] if boxes.dim() == 2 else boxes[row, prior]
    found = torch.zeros(near.numel(), device=boxes.device)
    found[place] = torch.where(near.flatten()[place], measure(mine, objects[row]), 0.0)
    return found.view_as(near)
