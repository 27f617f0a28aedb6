"""From the transport plan to owners: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.ops.blocks import LOW32
from labelassign.ops.transport.sinkhorn import columns, sinkhorn
from labelassign.structures import Reason, rows


def transport(
    prior: Tensor, cost: Tensor, supply: Tensor, offsets: Tensor, n: int, eps: float, iterations: int, rescale: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """See `labelassign.ops.transport`."""
    images, device, total = offsets.shape[0] - 1, prior.device, prior.shape[0]
    image_of = rows.image_of(offsets, total)
    held = (prior >= 0) & torch.isfinite(cost) & (supply > 0)[:, None]
    where = columns(torch.where(held, prior, -1), image_of, images, n)
    units = torch.where(held, cost / eps, torch.inf)
    plan, spare = sinkhorn(units, where, image_of, torch.where(held.any(1), supply, 0).double(), iterations)
    share = torch.where(held, plan, 0.0).float().clamp(0, 1)
    if rescale and share.shape[1]:
        most = share.amax(1, keepdim=True)
        share = torch.where(most > 0, share / most, 0.0).clamp(max=1)
    # of equal shares the objects' come first
    wants = held & (share > 0) & (share >= spare.float())
    never, size = torch.iinfo(torch.int64).max, images * n
    place = torch.where(wants, image_of[:, None] * n + prior, size).flatten()
    given = torch.zeros(size + 1, device=device).scatter_reduce_(0, place, share.flatten(), "amax")
    # shares are equal where more is supplied than there is, whatever it costs
    first = wants.flatten() & (share.flatten() == given[place])
    each = torch.arange(total, device=device)[:, None].expand_as(prior).flatten()
    key = torch.where(first, _rising(cost.flatten()) | each, never)
    owner = torch.full((size + 1,), never, dtype=torch.int64, device=device).scatter_reduce_(0, place, key, "amin")
    owner = owner[:-1].view(images, n)
    index = torch.where(owner < never, owner & LOW32, -1)
    quality = torch.where(index >= 0, given[:-1].view(images, n), 0.0)
    reason = torch.where(wants.any(1), Reason.FINE, Reason.REJECTED)
    return index, quality, reason.to(torch.int8), torch.where(held, plan, 0.0)


def _rising(cost: Tensor) -> Tensor:
    """int64 keys that order by a cost of any sign, rounded to float32, with the lower 32 bits free."""
    bits = (cost.float() + 0.0).view(torch.int32)  # -0 is 0
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).to(torch.int64) << 32
