"""Candidates by their centres, and the cheapest of them: the definition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from labelassign.ops.blocks import LOW32, pack, row_blocks, selected, unpack
from labelassign.ops.candidates.segments import moments
from labelassign.ops.central.costs import Network, Rule, Seen, look, pair_costs
from labelassign.ops.central.scene import Region, Where, points_of
from labelassign.structures import Reason


class Pairs(NamedTuple):
    """Pairs of some rows: row, prior, and whether the prior is the row's own; `there`: whether it is a pair at all."""

    row: Tensor
    prior: Tensor
    own: Tensor
    there: Tensor


def anybody(where: Where, region: Region) -> Tensor:
    """Priors that some object of their image may choose `[B·N]`."""
    n, images = where.prior_boxes.shape[-2], where.images
    valid = torch.ones(images, n, dtype=torch.bool, device=where.gt_boxes.device)
    valid = valid if where.valid is None else where.valid
    if region.pool == "every":
        return valid.flatten()
    found = torch.zeros(images, n, dtype=torch.int8, device=valid.device)
    for part, points in _blocks(where):
        inside, near = region.parts(points, where.gt_boxes[part, None], where.strides)
        either = inside & near
        if region.pool == "any" and region.region == "both":
            either = inside | near
        either &= where.able[part, None]
        found.scatter_reduce_(0, where.image_of[part, None].expand(-1, n), either.to(torch.int8), "amax")
    return ((found > 0) & valid).flatten()


def _blocks(where: Where) -> Iterator[tuple[slice, Tensor]]:
    """Some rows, and the centres of the priors of their images `[rows or 1, N, 2]`."""
    points, n = points_of(where), where.prior_boxes.shape[-2]
    for part in row_blocks(where.gt_boxes.shape[0], n) if n else ():
        yield part, points[None] if points.dim() == 2 else points[where.image_of[part]]


def pairs_of(where: Where, region: Region, among: Tensor) -> Iterator[tuple[slice, Pairs]]:
    """Block by block of rows, who may choose whom; `among`: priors that anybody may choose `[B·N]`."""
    n = where.prior_boxes.shape[-2]
    among, able = among.view(where.images, n), where.able
    for part, points in _blocks(where):
        own = region.own(where, points, where.gt_boxes[part, None], where.strides)
        here = among[where.image_of[part]] & able[part, None]
        own = own & here
        mask = (own if region.pool == "own" else here).flatten()
        place = selected(mask)
        yield part, Pairs(place // n + part.start, place % n, own.flatten()[place], mask[place])


def full_cost(region: Region, cost: Tensor, away: Tensor, own: Tensor) -> Tensor:
    """What is ranked by: cost, soft centre and penalty, rounded once; never NaN."""
    total = (cost + away + torch.where(own, 0.0, region.penalty)).float()
    return torch.where(torch.isfinite(total), total, torch.inf)


def single_pairs(
    where: Where, region: Region, network: Network, rule: Rule, seen: Seen, row: Tensor, prior: Tensor
) -> tuple[Tensor, Tensor]:
    """What is ranked by, and the overlap, of single pairs `[M]`."""
    points, image = points_of(where), where.image_of[row]
    point = points[prior] if points.dim() == 2 else points[image, prior]
    steps = None if where.strides is None else where.strides[prior]
    cost, away, iou = pair_costs(where, network, rule, seen, row, prior)
    return full_cost(region, cost, away, region.own(where, point, where.gt_boxes[row], steps)), iou


def central(
    where: Where, region: Region, network: Network, rule: Rule, topk: int, overlaps: int, spread: bool
) -> tuple[Tensor, ...]:
    """See `labelassign.ops.central`."""
    rows, device = where.gt_boxes.shape[0], where.gt_boxes.device
    among = anybody(where, region)
    seen = look(network, rule, among)
    parts = [_part(where, region, network, rule, seen, p, pairs, topk, overlaps, spread)
             for p, pairs in pairs_of(where, region, among)]  # fmt: skip
    if not parts:  # no priors
        parts = [_nothing(rows, topk, overlaps, device)]
    *lists, had, refused = (torch.cat(each) for each in zip(*parts, strict=True))
    reason = torch.where(had > 0, Reason.REJECTED, Reason.NO_CANDIDATE)
    lost = torch.zeros(where.images, dtype=torch.int64, device=device).index_add_(0, where.image_of, refused)
    return *(t[:, None] for t in lists), reason, lost


def _nothing(rows: int, topk: int, overlaps: int, device: torch.device) -> tuple[Tensor, ...]:
    none = torch.zeros(rows, dtype=torch.int64, device=device)
    lists = torch.zeros(rows, topk, device=device)
    best, moment = torch.zeros(rows, overlaps, device=device), none.double()
    return lists.long() - 1, lists + torch.inf, lists, best, none, moment, moment, none, none


def _part(
    where: Where,
    region: Region,
    network: Network,
    rule: Rule,
    seen: Seen,
    part: slice,
    pairs: Pairs,
    topk: int,
    overlaps: int,
    spread: bool,
) -> tuple[Tensor, ...]:
    """Lists, counts and moments of some rows; whether they had any pair; and how many of them were refused."""
    count, group = part.stop - part.start, pairs.row - part.start
    cost, away, iou = pair_costs(where, network, rule, seen, pairs.row, pairs.prior)
    total = full_cost(region, cost, away, pairs.own)
    n, never = where.prior_boxes.shape[-2], torch.iinfo(torch.int64).max
    sound = pairs.there & seen.sound[where.image_of[pairs.row] * n + pairs.prior]
    able = pairs.there & torch.isfinite(total)
    # whole rows of unique keys, of which topk has no ties to break: faster than sorting the list of pairs
    at = group * n + pairs.prior
    key = torch.full((count * n,), never, dtype=torch.int64, device=group.device)
    key[at] = torch.where(able, pack(total, pairs.prior), never)
    key = key.view(count, n).topk(min(topk, n), largest=False).values
    key = torch.cat([key, key.new_full((count, topk - key.shape[1]), never)], 1)
    seat = torch.where(key < never, key & LOW32, -1)
    overlap = torch.zeros(count * n, device=group.device)
    overlap[at] = torch.where(sound, iou, 0.0)
    overlap = overlap.view(count, n)
    most = torch.nn.functional.pad(overlap.topk(min(overlaps, n)).values, (0, max(overlaps - n, 0)))
    # moments see neither penalties nor who is not one's own: both are geometry
    base = cost.float()
    measured = torch.where(able & pairs.own & torch.isfinite(base), group, count)
    zeros = torch.zeros(count, dtype=torch.int64, device=group.device)
    return (
        seat,
        torch.where(key < never, unpack(key)[0], torch.inf),
        torch.where(key < never, overlap.gather(1, seat.clamp(min=0)), 0.0),
        most,
        *moments(measured, torch.where(torch.isfinite(base), base, 0.0), count, spread),
        zeros.index_add(0, group, pairs.there.long()),
        zeros.index_add(0, group, (pairs.there & ~sound).long()),
    )
