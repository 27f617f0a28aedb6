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


def rising_bits(values: Tensor) -> Tensor:
    """Non-negative float32 as int64 in the same order (+inf included; -0 counts as 0)."""
    return (values + 0.0).view(torch.int32).to(torch.int64)


def pack(values: Tensor, index: Tensor) -> Tensor:
    """int64 keys that order by a non-negative float32 value, then by index (< 2^31)."""
    return rising_bits(values).bitwise_left_shift_(32).bitwise_or_(index)
