"""Normalisers over data-parallel replicas."""

from __future__ import annotations

import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor


def mean_over_replicas(value: Float[Tensor, ""], group: dist.ProcessGroup | None = None) -> Float[Tensor, ""]:
    """Mean of `value` over the replicas of `group`; `value` itself where torch.distributed is not initialised.

    The mean, not the sum: data-parallel training averages the gradients of the replicas, so dividing each replica's
    sum by the mean of the counts is dividing the sum of everything by the count of everything.
    Every replica of the group must call.
    """
    value = value.detach()
    if not (dist.is_available() and dist.is_initialized()):
        return value
    total = value.clone()
    dist.all_reduce(total, op=dist.ReduceOp.SUM, group=group)
    return total / dist.get_world_size(group)
