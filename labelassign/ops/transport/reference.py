"""Whom an object may supply, and the cheapest of them: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.ops.blocks import LOW32, pack, unpack
from labelassign.ops.candidates.segments import moments
from labelassign.ops.central.reference import Pairs, anybody, pairs_of
from labelassign.ops.central.scene import Region, Where
from labelassign.ops.transport.costs import Background, Network, background, pair_costs, rounded
from labelassign.structures import Reason


def candidates(
    where: Where, radius: float, network: Network, topk: int, overlaps: int, spread: bool
) -> tuple[Tensor, ...]:
    """See `labelassign.ops.transport.transport_candidates`."""
    region = Region("both", radius, 0.0, 0.0, "own", 0.0)
    among = anybody(where, region)
    seen = background(network, among)
    found = [_part(where, network, seen, part, pairs, topk, overlaps, spread)
             for part, pairs in pairs_of(where, region, among)]  # fmt: skip
    if not found:  # no priors
        found = [_nothing(where, topk, overlaps)]
    *lists, had, refused = (torch.cat(each) for each in zip(*found, strict=True))
    lost = torch.zeros(where.images, dtype=torch.int64, device=had.device).index_add_(0, where.image_of, refused)
    return *(t[:, None] for t in lists), torch.where(had > 0, Reason.REJECTED, Reason.NO_CANDIDATE), lost


def _nothing(where: Where, topk: int, overlaps: int) -> tuple[Tensor, ...]:
    rows = where.gt_boxes.shape[0]
    none, lists = torch.zeros_like(where.gt_labels), where.gt_boxes.new_zeros(rows, topk)
    best, moment = where.gt_boxes.new_zeros(rows, overlaps), none.double()
    return lists.long() - 1, lists + torch.inf, lists, best, none, moment, moment, none, none


def _part(
    where: Where,
    network: Network,
    seen: Background,
    part: slice,
    pairs: Pairs,
    topk: int,
    overlaps: int,
    spread: bool,
) -> tuple[Tensor, ...]:
    """Lists, count and moments of some rows; whether they had any pair; and how many of them were refused."""
    count, group, n = part.stop - part.start, pairs.row - part.start, where.prior_boxes.shape[-2]
    target, label = where.gt_boxes[pairs.row], where.gt_labels[pairs.row]
    cost, iou, _ = pair_costs(network, seen, where.image_of[pairs.row], pairs.prior, target, label)
    cost = rounded(cost)
    able, never = pairs.there & torch.isfinite(cost), torch.iinfo(torch.int64).max
    at = group * n + pairs.prior
    # whole rows of unique keys, of which topk has no ties to break
    key = torch.full((count * n,), never, dtype=torch.int64, device=group.device)
    key[at] = torch.where(able, pack(cost, pairs.prior), never)
    key = key.view(count, n).topk(min(topk, n), largest=False).values
    key = torch.cat([key, key.new_full((count, topk - key.shape[1]), never)], 1)
    overlap = torch.zeros(count * n, device=group.device)
    overlap[at] = torch.where(able, iou, 0.0)
    overlap, listed = overlap.view(count, n), key < never
    most = torch.nn.functional.pad(overlap.topk(min(overlaps, n)).values, (0, max(overlaps - n, 0)))
    seat = torch.where(listed, key & LOW32, -1)
    zeros = torch.zeros(count, dtype=torch.int64, device=group.device)
    return (
        seat,
        torch.where(listed, unpack(key)[0], torch.inf),
        torch.where(listed, overlap.gather(1, seat.clamp(min=0)), 0.0),
        most,
        *moments(torch.where(able, group, count), torch.where(able, cost, 0.0), count, spread),
        zeros.index_add(0, group, pairs.there.long()),
        zeros.index_add(0, group, (pairs.there & ~able).long()),
    )
