"""The place of every prior among those of its owner: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.ops.blocks import pack, selected
from labelassign.structures import BACKGROUND
from labelassign.structures.targets import count_rows


def places(index: Tensor, key: Tensor, rows: int) -> Tensor:
    """How many priors of its owner come before each prior `[B, N]`; N where nobody owns it.

    Lower `key` first (`[B, N]`, non-negative float32), then lower prior. index: owners `[B, N]`, negative: none.
    """
    flat, n = index.flatten(), index.shape[1]
    place = selected(flat >= 0)
    owner = flat[place]
    row = torch.where(owner >= 0, owner, rows)
    order = pack(key.flatten()[place], place).argsort()  # no two are equal
    order = order[row[order].argsort(stable=True)]
    row, count = row[order], count_rows(index, rows + 1)
    before = (count.cumsum(0) - count)[row]  # owners come in the order of their rows, those without at the end
    rank = torch.where(row < rows, torch.arange(row.shape[0], device=row.device) - before, n)
    found = torch.full_like(flat, n)
    found[place[order]] = rank
    return found.view_as(index)


def keep_best(index: Tensor, paid: Tensor, most: int, rows: int) -> tuple[Tensor, Tensor]:
    """See `labelassign.ops.keep`."""
    lost = (index >= 0) & (places(index, paid, rows) >= most)
    return torch.where(lost, BACKGROUND, index), torch.where(lost, torch.inf, paid)
