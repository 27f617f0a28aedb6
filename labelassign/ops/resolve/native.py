"""The op on the compiled library."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops.native import bind

KERNEL = 8


def refusal(*args: Any) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    return bind.unfit("lcfll", args)


def resolve(prior: Tensor, state: Tensor, cost: Tensor, reason: Tensor, offsets: Tensor, priors: int) -> Any:
    """See `labelassign.ops.resolve`."""
    images = offsets.shape[0] - 1
    call = bind.Call()
    call.values += (*prior.shape, images, priors)
    for t in (prior, state, cost, reason, offsets):
        call.tensor(t)
    index, quality = torch.empty(images, priors, dtype=torch.int64), torch.empty(images, priors)
    final = torch.empty(prior.shape[0], dtype=torch.int8)
    call.outputs(index, quality, final)
    return (index, quality, final) if call.run(KERNEL) else NotImplemented
