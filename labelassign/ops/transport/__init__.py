"""Ops of optimal transport between objects and the priors near their centres."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from labelassign.ops.central.scene import WHERE, Where
from labelassign.ops.dispatch import Op
from labelassign.ops.transport.costs import COST, Network
from labelassign.ops.transport.costs import pairs as _pairs
from labelassign.ops.transport.decide import transport as _transport
from labelassign.ops.transport.reference import candidates as _candidates

__all__ = ["transport", "transport_candidates", "transport_pairs"]


def _run(*args: Any) -> tuple[Tensor, ...]:
    return _candidates(Where(*args[:8]), args[8], Network(*args[9:16]), *args[16:])


def _fake(*args: Any) -> tuple[Tensor, ...]:
    where, (topk, overlaps, _) = Where(*args[:8]), args[16:]
    g = where.gt_boxes.shape[0]
    lists, best = where.gt_boxes.new_empty(g, 1, topk), where.gt_boxes.new_empty(g, 1, overlaps)
    count, reason = where.gt_labels.new_empty(g, 1), where.gt_labels.clone()
    moment, refused = count.double(), where.gt_labels.new_empty(where.images)
    return lists.long(), lists, lists.clone(), best, count, moment, moment.clone(), reason, refused


transport_candidates = Op(
    "transport_candidates",
    f"({WHERE}, float radius, {COST}, SymInt topk, SymInt overlaps, bool spread) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    _run,
    _fake,
).register()
"""The cheapest priors of every object, all levels together: the fields of `Candidates` in their order, with L = 1.

An object may have the priors whose centre lies strictly inside it and less than `radius` strides from its own along
both axes. Mean and variance are 0 unless `spread`. Ties: lower prior."""


def _run_pairs(row: Tensor, prior: Tensor, image_of: Tensor, boxes: Tensor, labels: Tensor, *cost: Any) -> Any:
    return _pairs(row, prior, image_of, boxes, labels, Network(*cost))


def _fake_pairs(row: Tensor, prior: Tensor, image_of: Tensor, boxes: Tensor, *rest: Any) -> tuple[Tensor, ...]:
    value = boxes.new_empty(row.shape[0])
    return value, value.clone(), value.double()


transport_pairs = Op(
    "transport_pairs",
    f"(Tensor row, Tensor prior, Tensor image_of, Tensor gt_boxes, Tensor gt_labels, {COST}) "
    "-> (Tensor, Tensor, Tensor)",
    _run_pairs,
    _fake_pairs,
).register()
"""Cost and predicted overlap of single pairs, both `[M]` float32, and how much more than background they cost, float64.

Focal loss summed over classes - `iou_weight` · log(IoU, at least `eps`); background: the focal loss without any class.
A row of -1 is no pair: it costs +inf."""


def _fake_transport(prior: Tensor, cost: Tensor, supply: Tensor, offsets: Tensor, n: int, *rules: Any) -> Any:
    index = offsets.new_empty(offsets.shape[0] - 1, n)
    return index, index.float(), supply.to(prior.dtype).char(), cost.clone()


transport = Op(
    "transport",
    "(Tensor prior, Tensor cost, Tensor supply, Tensor offsets, SymInt n, float eps, int iterations, bool rescale) "
    "-> (Tensor, Tensor, Tensor, Tensor)",
    _transport,
    _fake_transport,
).register()
"""Owner of every prior `[B, N]` (-1: background), the share that it gives, a reason per row `[G]`, the plan `[G, K]`.

`prior` and `cost` `[G, K]`: whom a row may supply (-1: nobody), and what a unit costs there more than from the
background; `supply` `[G]`: its units, 0 for a row that takes no part. Entropic optimal transport (`eps`), `iterations`
times rows and columns. The background supplies what is left of the priors that any row lists; those that none lists are
its own whatever the rest, and stay outside."""
