"""Ops of methods whose candidates are known by their centres: TaskAligned, SimOTA, DynamicSoftLabel."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops.central import native, refusals
from labelassign.ops.central.contest import contest as _contest
from labelassign.ops.central.costs import Network, Rule, look
from labelassign.ops.central.reference import central as _central
from labelassign.ops.central.reference import single_pairs
from labelassign.ops.central.scene import COST, NETWORK, REGION, WHERE, Region, Where
from labelassign.ops.dispatch import Op

__all__ = ["central", "central_pairs", "contest"]


def _split(args: tuple[Any, ...]) -> tuple[Where, Region, Network, Rule, tuple[Any, ...]]:
    return Where(*args[:8]), Region(*args[8:14]), Network(*args[14:17]), Rule(*args[17:21]), args[21:]


def _run(*args: Any) -> tuple[Tensor, ...]:
    where, region, network, rule, rest = _split(args)
    return _central(where, region, network, rule, *rest)


def _fake(*args: Any) -> tuple[Tensor, ...]:
    where, _, _, _, (topk, overlaps, _) = _split(args)
    g = where.gt_boxes.shape[0]
    lists, best = where.gt_boxes.new_empty(g, 1, topk), where.gt_boxes.new_empty(g, 1, overlaps)
    count = where.gt_labels.new_empty(g, 1)
    moment, reason = count.double(), where.gt_labels.clone()
    refused = where.gt_labels.new_empty(where.images)
    return lists.long(), lists, lists.clone(), best, count, moment, moment.clone(), reason, refused


central = Op(
    "central",
    f"({WHERE}, {REGION}, {NETWORK}, {COST}, SymInt topk, SymInt overlaps, bool spread) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    _run,
    _fake,
    {"native": (native.central, refusals.refusal)},
).register()
"""The cheapest priors of every object, all levels together: the fields of `Candidates` in their order, with L = 1.

Who may choose whom: `Region`. What it costs: `Rule`. Count and moments are those of an object's own priors without any
penalty for their place; they are 0 unless `spread`. Ties: lower prior."""


def _run_pairs(row: Tensor, prior: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    where, region, network, rule, _ = _split(args)
    there, safe = row >= 0, row.clamp(min=0)
    place = torch.where(there, where.image_of[safe] * where.prior_boxes.shape[-2] + prior, 0)
    wanted = torch.zeros(where.images * where.prior_boxes.shape[-2], dtype=torch.int8, device=row.device)
    wanted = wanted.scatter_reduce(0, place, there.to(torch.int8), "amax") > 0
    cost, iou = single_pairs(where, region, network, rule, look(network, rule, wanted), safe, prior)
    return torch.where(there, cost, torch.inf), torch.where(there, iou, 0.0)


def _fake_pairs(row: Tensor, prior: Tensor, prior_boxes: Tensor, *args: Any) -> tuple[Tensor, Tensor]:
    value = prior_boxes.new_empty(row.shape[0])
    return value, value.clone()


central_pairs = Op(
    "central_pairs",
    f"(Tensor row, Tensor prior, {WHERE}, {REGION}, {NETWORK}, {COST}) -> (Tensor, Tensor)",
    _run_pairs,
    _fake_pairs,
    {"native": (native.central_pairs, refusals.refusal_of_pairs)},
).register()
"""Cost, penalties included, and predicted overlap of single pairs, as `central` has them; both `[M]` float32.

A row of -1 is no pair: it costs +inf."""


def _run_contest(*args: Any) -> tuple[Tensor, ...]:
    where, region, network, rule, rest = _split(args)
    *others, chosen, prior, cost, iou, kept, reason, by, pool = rest
    networks = (network,) if chosen is None else (network, Network(*others))
    return _contest(where, region, networks, rule, chosen, prior, cost, iou, kept, reason, by, pool)


def _fake_contest(*args: Any) -> tuple[Tensor, ...]:
    where = Where(*args[:8])
    index = where.offsets.new_empty(where.images, where.prior_boxes.shape[-2])
    return index, index.float(), where.ignore.char()


contest = Op(
    "contest",
    f"({WHERE}, {REGION}, {NETWORK}, {COST}, Tensor? other_scores, Tensor? other_boxes, Tensor? other_objectness, "
    "Tensor? chosen, Tensor prior, Tensor cost, Tensor iou, Tensor kept, Tensor reason, str by, str against) "
    "-> (Tensor, Tensor, Tensor)",
    _run_contest,
    _fake_contest,
    {"native": (native.contest, refusals.refusal_of_contests)},
).register()
"""Owner of every prior `[B, N]` (-1: nobody), what that costs, and the reason of each row `[G]`.

From choices `[G, K]`: prior (-1: none), cost, overlap and whether it is `kept`. The lowest cost (`by` "cost") or the
highest overlap ("iou") wins, then the lower row, of the claimants (`pool` "claimants") or of all objects that may
choose a prior that several claim ("all"). Rows with `chosen` `[G]` have the costs of the other network."""
