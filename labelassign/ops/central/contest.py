"""Who gets a prior that several objects want: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.ops.blocks import LOW32, falling, pack, selected
from labelassign.ops.central.costs import Network, Rule, look, pair_costs
from labelassign.ops.central.reference import full_cost, pairs_of, single_pairs
from labelassign.ops.central.scene import Region, Where
from labelassign.structures import Reason


def keys(cost: Tensor, iou: Tensor, by: str) -> Tensor:
    """Non-negative float32 keys, the lowest of which wins: the cost, or how far an overlap is from 1 in bits."""
    if by == "cost":
        return cost
    return falling(iou)


def contest(
    where: Where,
    region: Region,
    networks: tuple[Network, ...],
    rule: Rule,
    chosen: Tensor | None,
    prior: Tensor,
    cost: Tensor,
    iou: Tensor,
    kept: Tensor,
    reason: Tensor,
    by: str,
    pool: str,
) -> tuple[Tensor, ...]:
    """See `labelassign.ops.central.contest`."""
    n, images = where.prior_boxes.shape[-2], where.images
    size, device = images * n, prior.device
    rows = torch.arange(prior.shape[0], device=device)[:, None].expand_as(prior)
    wants = kept & (prior >= 0)
    place = torch.where(wants, where.image_of[:, None] * n + prior, size).flatten()
    never = torch.iinfo(torch.int64).max
    packed = torch.where(wants, pack(keys(cost, iou, by), rows), never).flatten()
    owner = torch.full((size + 1,), never, dtype=torch.int64, device=device).scatter_reduce_(0, place, packed, "amin")
    if pool == "all":
        claims = torch.zeros_like(owner).scatter_add_(0, place, wants.flatten().long())
        contested = (claims > 1)[:-1]
        fresh = _over_all(where, region, networks, rule, chosen, contested, by)
        owner[:-1] = torch.where(contested & (fresh < never), fresh, owner[:-1])
    owned = owner[:-1] < never
    index = torch.where(owned, owner[:-1] & LOW32, -1).view(images, n)
    had = (prior >= 0).any(1)
    reason = torch.where(wants.any(1), Reason.FINE, torch.where(had, Reason.REJECTED, reason))
    paid = _of_owners(where, region, networks, rule, chosen, index)
    return index, paid, reason.to(torch.int8)


def _of_owners(
    where: Where,
    region: Region,
    networks: tuple[Network, ...],
    rule: Rule,
    chosen: Tensor | None,
    index: Tensor,
) -> Tensor:
    """Cost of every prior with its owner `[B, N]`; +inf where there is none."""
    owned, n = (index >= 0).flatten(), index.shape[1]
    place = selected(owned)
    there, row, prior = owned[place], index.flatten()[place].clamp(min=0), place % n
    found = [single_pairs(where, region, net, rule, look(net, rule, owned), row, prior)[0] for net in networks]
    cost = found[0] if chosen is None else torch.where(chosen[row], found[1], found[0])
    paid = torch.full_like(owned, torch.inf, dtype=torch.float32)
    paid[place] = torch.where(there, cost, torch.inf)
    return paid.view_as(index)


def _over_all(
    where: Where,
    region: Region,
    networks: tuple[Network, ...],
    rule: Rule,
    chosen: Tensor | None,
    contested: Tensor,
    by: str,
) -> Tensor:
    """The best key of every contested prior over all objects of its image that may choose it `[B·N]`."""
    n = where.prior_boxes.shape[-2]
    best = torch.full_like(contested, torch.iinfo(torch.int64).max, dtype=torch.int64)
    seen = [look(network, rule, contested) for network in networks]
    for _, pairs in pairs_of(where, region, contested):
        found = [pair_costs(where, net, rule, s, pairs.row, pairs.prior) for net, s in zip(networks, seen, strict=True)]
        cost, away, iou = found[0]
        if chosen is not None:
            cost, away, iou = (torch.where(chosen[pairs.row], b, a) for a, b in zip(*found, strict=True))
        total = full_cost(region, cost, away, pairs.own)
        able = pairs.there & torch.isfinite(total)
        key = torch.where(able, pack(keys(total, iou, by), pairs.row), torch.iinfo(torch.int64).max)
        best.scatter_reduce_(0, where.image_of[pairs.row] * n + pairs.prior, key, "amin")
    return best
