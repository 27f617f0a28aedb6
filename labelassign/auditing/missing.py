"""Bounded lists of objects without positives, on whatever device: fixed size, filled and joined without a wait."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from labelassign.structures import GroundTruth, Reason


class Missing(NamedTuple):
    """An object without positives.

    Attributes:
        image: its place in the stream, from 0; after `a + b`, the images of b follow those of a.
        row: its place among the rows of the image.
        size: square root of the box's area in pixels, or NaN.
        reason: why it has none.
    """

    image: int
    row: int
    size: float
    reason: Reason


def collect(gone: Tensor, gt: GroundTruth, reason: Tensor, side: Tensor, keep: int) -> tuple[Tensor, Tensor]:
    """The first `keep` rows marked in `gone [G]`: image, row, reason `[keep, 3]`, -1 where absent; sizes `[keep]`."""
    place = gone.cumsum(0) - 1
    image = gt.image_of
    row = torch.arange(gt.num_rows, device=gone.device) - gt.offsets[image]
    return _fill(
        gone.new_full((keep, 3), -1, dtype=torch.int64),
        side.new_zeros(keep, dtype=torch.float32),
        torch.where(gone, place, keep),
        torch.stack([image, row, reason.long()], 1),
        side.float(),
    )


def join(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor], images: Tensor) -> tuple[Tensor, Tensor]:
    """The first entries of two lists of one size, those of `second` with `images` added to their image."""
    (rows, size), (more, more_size) = first, second
    keep, taken = rows.shape[0], (rows[:, 0] >= 0).sum()
    place = torch.where(more[:, 0] >= 0, taken + torch.arange(keep, device=rows.device), keep)
    shifted = torch.stack([more[:, 0] + images, more[:, 1], more[:, 2]], 1)
    return _fill(rows, size, place, shifted, more_size)


def _fill(rows: Tensor, size: Tensor, place: Tensor, values: Tensor, sizes: Tensor) -> tuple[Tensor, Tensor]:
    """Write `values` and `sizes` to their places; what lies past the end of the list is dropped."""
    keep = rows.shape[0]
    place = place.clamp(max=keep)  # one more place takes what is dropped
    rows = torch.cat([rows, rows.new_zeros(1, 3)]).scatter(0, place[:, None].expand(-1, 3), values)
    return rows[:keep], torch.cat([size, size.new_zeros(1)]).scatter(0, place, sizes)[:keep]


def read(rows: Tensor, size: Tensor) -> list[Missing]:
    """The entries that are there (waits for the device)."""
    pairs = zip(rows.tolist(), size.tolist(), strict=True)
    return [Missing(image, row, side, Reason(code)) for (image, row, code), side in pairs if image >= 0]
