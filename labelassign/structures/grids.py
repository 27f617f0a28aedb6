"""Arithmetic of anchor grids, behind the constructors of `Priors`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from labelassign import checks
from labelassign.geometry import centres


def as_floats(value: float | Sequence[float]) -> tuple[float, ...]:
    """One number or several, as a tuple."""
    return (float(value),) if isinstance(value, (int, float)) else tuple(float(v) for v in value)


def level_shapes(
    who: str, shapes: Sequence[Sequence[int]] | None, strides: Sequence[int], image_size: Sequence[int] | None
) -> list[tuple[int, int]]:
    """(height, width) of every level, from the feature maps or from the image."""
    if (shapes is None) == (image_size is None):
        checks.fail(who, "either `shapes` or `image_size`", f"shapes={shapes}, image_size={image_size}", "Give one.")
    if image_size is not None:
        height, width = image_size
        return [(-(-height // s), -(-width // s)) for s in strides]
    assert shapes is not None
    checks.equal(who, "number of levels", {"shapes": len(shapes), "strides": len(strides)}, "Give one stride a level.")
    return [(int(h), int(w)) for h, w in shapes]


def anchors(
    levels: Sequence[tuple[int, int]],
    strides: Sequence[int],
    scales: Sequence[float],
    ratios: Sequence[float],
    offset: float,
    device: torch.device | str | None,
) -> tuple[Tensor, Tensor]:
    """Boxes `[N, 4]` and strides `[N]` of all levels, row by row of cells, then ratio by ratio, then scale by scale."""
    root = torch.tensor(ratios, dtype=torch.float32, device=device).sqrt()
    size = torch.tensor(scales, dtype=torch.float32, device=device)
    width, height = (size / root[:, None]).flatten(), (size * root[:, None]).flatten()
    shape = torch.stack([-width, -height, width, height], -1) / 2
    boxes, steps = [], []
    for (rows, columns), stride in zip(levels, strides, strict=True):
        x = (torch.arange(columns, dtype=torch.float32, device=device) + offset) * stride
        y = (torch.arange(rows, dtype=torch.float32, device=device) + offset) * stride
        grid_y, grid_x = torch.meshgrid(y, x, indexing="ij")
        centre = torch.stack([grid_x, grid_y, grid_x, grid_y], -1).reshape(-1, 1, 4)
        boxes.append((centre + shape * stride).reshape(-1, 4))
        steps.append(torch.full((boxes[-1].shape[0],), float(stride), device=device))
    return torch.cat(boxes), torch.cat(steps)


def inside_image(boxes: Tensor, strides: Tensor, sizes: Tensor) -> Tensor:
    """`[B, N]`: the cell of the prior begins inside the image of that size (height, width).

    The cell is found from the centre, for either offset; the small term absorbs the rounding of x1 + x2.
    """
    begin = torch.floor(centres(boxes) / strides[:, None] + 1e-3) * strides[:, None]
    return (begin < sizes.flip(-1)[:, None, :]).all(-1)
