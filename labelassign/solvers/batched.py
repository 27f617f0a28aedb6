"""Matching with a solver that takes a batch of equal problems, where the costs lie."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def matched(solve: Callable[[Tensor], Tensor], cost: Tensor, offsets: Tensor, groups: int, repeats: int) -> Tensor:
    """Row of every query `[B, N]`, -1 where none; the one number that comes to the host is the size of the problems."""
    counts, (total, n) = offsets.diff(), cost.shape
    most = int(counts.max()) if total and n else 0
    out = torch.full((counts.shape[0], n + 1), -1, dtype=torch.int64, device=cost.device)
    if not most:
        return out[:, :n].contiguous()
    place = torch.arange(most, device=cost.device)
    row = offsets[:-1, None] + place
    block = cost[row.clamp(max=total - 1)].masked_fill((place >= counts[:, None])[..., None], torch.inf)
    # [B * groups, R, n]: one problem for every image and group
    block = block.unflatten(2, (groups, n // groups)).transpose(1, 2).flatten(0, 1).double()
    row = row.repeat_interleave(groups, 0)
    if repeats > 1:
        row, block = _repeated(row, block, repeats)
    fits = torch.isfinite(block)
    query = solve(torch.where(fits, block, _price(block, fits)))
    taken = (query >= 0) & fits.gather(2, query.clamp(min=0)[..., None])[..., 0]
    start = torch.arange(groups, device=cost.device).repeat(counts.shape[0])[:, None] * (n // groups)
    place = torch.where(taken, start + query, n).view(counts.shape[0], -1)
    return out.scatter_(1, place, row.view_as(place))[:, :n].contiguous()


def _repeated(row: Tensor, block: Tensor, repeats: int) -> tuple[Tensor, Tensor]:
    """Every row `repeats` times; copies that there are too few queries for cost +inf."""
    fits = torch.isfinite(block)
    times = fits.any(1).sum(1) // fits.any(2).sum(1).clamp(min=1)
    extra = torch.arange(repeats, device=row.device).repeat(row.shape[1]) >= times.clamp(min=1)[:, None]
    block = block.repeat_interleave(repeats, 1).masked_fill(extra[..., None], torch.inf)
    return row.repeat_interleave(repeats, 1), block


def _price(block: Tensor, fits: Tensor) -> Tensor:
    """In place of +inf, per problem `[P, 1, 1]`: more than any saving elsewhere is worth."""
    low = torch.where(fits, block, torch.inf).amin((1, 2), keepdim=True)
    high = torch.where(fits, block, -torch.inf).amax((1, 2), keepdim=True)
    price = high + (min(block.shape[1:]) + 1) * (high - low) + 1.0
    return torch.where(fits.any(2, keepdim=True).any(1, keepdim=True), price, 1.0)
