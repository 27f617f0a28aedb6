"""From each ground truth's choice to one owner per prior: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.ops.blocks import pack, unpack


def resolve(
    prior: Tensor, state: Tensor, key: Tensor, image_of: Tensor, images: int, priors: int
) -> tuple[Tensor, Tensor]:
    """See `labelassign.ops.resolve`."""
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
