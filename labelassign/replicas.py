"""Averages over the processes of a distributed run."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def mean_over_ranks(value: Tensor, reduce: bool, group: Any = None) -> Tensor:
    """The mean of `value` over replicas where torch.distributed is up and `reduce` asks for it; else `value`."""
    if not (reduce and torch.distributed.is_available() and torch.distributed.is_initialized()):
        return value
    total = value.clone()
    torch.distributed.all_reduce(total, group=group)
    return total / torch.distributed.get_world_size(group)
