"""From each ground truth's choice to one owner per prior: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.ops.blocks import pack, unpack
from labelassign.structures import Reason, rows


def owners(
    prior: Tensor, state: Tensor, key: Tensor, image_of: Tensor, images: int, priors: int
) -> tuple[Tensor, Tensor]:
    """Owner of every prior `[B, N]` (-1: nobody; -2: somebody leaves it out) and the key it won with."""
    never = torch.iinfo(torch.int64).max
    row = torch.arange(prior.shape[0], device=prior.device)[:, None]
    place = torch.where(prior >= 0, image_of[:, None] * priors + prior, images * priors).flatten()
    packed = torch.where((state > 0) & (prior >= 0), pack(key, row), never).flatten()
    owner = torch.full((images * priors + 1,), never, dtype=torch.int64, device=prior.device)
    owner = owner.scatter_reduce_(0, place, packed, "amin")[:-1]
    doubt = torch.zeros(images * priors + 1, dtype=torch.int64, device=prior.device)
    doubt = doubt.scatter_reduce_(0, place, (state < 0).long().flatten(), "amax")[:-1]
    owned = owner < never
    won, row = unpack(owner)
    index = torch.where(owned, row, -1 - doubt)
    return index.view(images, priors), torch.where(owned, won, 0.0).view(images, priors)


def resolve(
    prior: Tensor, state: Tensor, cost: Tensor, reason: Tensor, offsets: Tensor, priors: int
) -> tuple[Tensor, Tensor, Tensor]:
    """See `labelassign.ops.resolve`."""
    image_of = rows.image_of(offsets, prior.shape[0])
    index, paid = owners(prior, state, cost, image_of, offsets.shape[0] - 1, priors)
    # float64 inside, so that every path rounds the same number
    quality = torch.where(index >= 0, torch.exp(-paid.double()).float(), 0.0)
    had, kept = (prior >= 0).any(1), (state > 0).any(1)
    reason = torch.where(kept, Reason.FINE, torch.where(had, Reason.REJECTED, reason))
    return index, quality, reason.to(torch.int8)
