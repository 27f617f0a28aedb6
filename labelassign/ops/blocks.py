"""Working through large pair matrices in pieces that fit a cache: same results, bounded memory."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

PAIRS_PER_BLOCK = 1 << 18


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of the rows of a [rows, columns] matrix, each of at most `PAIRS_PER_BLOCK` entries (or one row)."""
    step = max(1, PAIRS_PER_BLOCK // max(columns, 1))
    for begin in range(0, rows, step):
        yield slice(begin, min(begin + step, rows))


def selected(mask: Tensor) -> Tensor:
    """Indices to work on, all True places of a flat mask among them.

    On real CPU tensors exactly the True ones. Elsewhere their number would cost a synchronisation, so all indices
    come back and the caller masks: its results must not depend on which of the two it got.
    """
    if mask.device.type == "cpu" and not isinstance(mask, FakeTensor):
        return mask.nonzero().squeeze(1)
    return torch.arange(mask.shape[0], device=mask.device)


def tame(boxes: Tensor) -> Tensor:
    """float32 boxes whose overlaps are numbers: no further out than 1e9 pixels, and empty if a corner is not finite."""
    boxes = boxes.float()
    return torch.where(torch.isfinite(boxes).all(-1, keepdim=True), boxes, 0.0).clamp(-1e9, 1e9)


def pack(values: Tensor, index: Tensor) -> Tensor:
    """int64 keys that order by a non-negative float32 value (+inf included), then by index (< 2^32)."""
    return values.view(torch.int32).to(torch.int64).bitwise_left_shift_(32).bitwise_or_(index)


def unpack(keys: Tensor) -> tuple[Tensor, Tensor]:
    """The values and indices of `pack`."""
    return (keys >> 32).to(torch.int32).view(torch.float32), keys & LOW32


def falling(overlap: Tensor) -> Tensor:
    """Non-negative float32 keys, the lowest for the highest overlap: how far its bits are from those of 1.

    1 - overlap would round. The bits of 1 less those of a key give the overlap back. Boxes that touch can overlap by
    -0.0, whose bits are those of a negative number.
    """
    return (ONE_BITS - overlap.abs().view(torch.int32)).clamp(min=0).view(torch.float32)


ONE_BITS = 0x3F800000  # 1.0f: the largest overlap
LOW32 = 0xFFFFFFFF
