"""Order and moments inside groups of a flat list, without a loop over groups."""

from __future__ import annotations

import torch
from torch import Tensor


def cheapest(group: Tensor, cost: Tensor, groups: int, topk: int) -> Tensor:
    """Places `[groups, topk]` in the list of the cheapest entries of each group; ties by place; -1 where absent.

    Entries with group == `groups` belong nowhere. Two stable sorts, so memory follows the list, not groups x list.
    """
    order = torch.argsort(cost, stable=True)
    order = order[torch.argsort(group[order], stable=True)]
    sorted_group = group[order]
    start = torch.searchsorted(sorted_group, torch.arange(groups + 1, device=group.device))
    rank = torch.arange(order.shape[0], device=group.device) - start[sorted_group]
    slot = torch.where((rank < topk) & (sorted_group < groups), sorted_group * topk + rank, groups * topk)
    out = torch.full((groups * topk + 1,), -1, dtype=torch.int64, device=group.device)
    return out.scatter_(0, slot, order)[:-1].view(groups, topk)


def moments(group: Tensor, cost: Tensor, groups: int, spread: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Count, mean and unbiased variance of each group's costs in float64; group == `groups` counts nowhere.

    Without `spread` only the count; mean and variance are 0.
    """
    value = torch.where(group < groups, cost, 0.0).double()
    count = torch.zeros(groups + 1, dtype=torch.int64, device=group.device)
    count = count.scatter_add_(0, group, torch.ones_like(group))
    mean = torch.zeros(groups + 1, dtype=torch.float64, device=group.device)
    if not spread:
        return count[:-1], mean[:-1], mean[:-1].clone()
    mean = mean.index_add_(0, group, value)
    mean = mean / count.clamp(min=1)
    squares = torch.zeros_like(mean).index_add_(0, group, (value - mean[group]).square())
    variance = torch.where(count > 1, squares / (count - 1).clamp(min=1), 0.0)
    return count[:-1], mean[:-1], variance[:-1]
