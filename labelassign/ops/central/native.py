"""The ops on the compiled library."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops.central.refusals import COSTS, OVERLAPS
from labelassign.ops.native import bind

KERNEL, PAIRS, CONTEST = 13, 14, 15
REGIONS = {"box": 0, "centre": 1, "both": 2}
POOLS = {"own": 0, "any": 1, "every": 2}


def scene(call: bind.Call, args: tuple[Any, ...]) -> None:
    """`struct CentralScene`."""
    call.priors(args[0], args[1])
    call.tensor(args[2])
    call.objects(*args[3:8])
    region, radius, margin, floor, pool, penalty = args[8:14]
    call.values += (REGIONS[region], float(radius), float(margin), float(floor), POOLS[pool], float(penalty))
    voice(call, *args[14:17])
    kind, weights, overlap, form = args[17:21]
    call.values += (COSTS[kind], *(float(w) for w in (*weights, 0.0)[:3]), OVERLAPS[overlap], bind.SCORES[form])


def voice(call: bind.Call, scores: Tensor, boxes: Tensor, objectness: Tensor | None) -> None:
    """`struct Voice`."""
    call.network(scores, boxes)
    call.values.append(0 if objectness is None else bind.FLOATS[objectness.dtype])
    call.tensor(objectness)


def central(*args: Any) -> Any:
    """See `labelassign.ops.central`."""
    topk, overlaps, spread = args[21:]
    call = bind.Call()
    scene(call, args)
    call.values += (topk, overlaps, int(spread))
    rows = args[3].shape[0]
    prior, count = torch.empty(rows, 1, topk, dtype=torch.int64), torch.empty(rows, 1, dtype=torch.int64)
    cost, iou, best = torch.empty(rows, 1, topk), torch.empty(rows, 1, topk), torch.empty(rows, 1, overlaps)
    mean, variance = torch.empty(rows, 1, dtype=torch.float64), torch.empty(rows, 1, dtype=torch.float64)
    reason, refused = torch.empty_like(args[4]), torch.empty(args[5].shape[0] - 1, dtype=torch.int64)
    out = (prior, cost, iou, best, count, mean, variance, reason, refused)
    call.outputs(*out)
    return out if call.run(KERNEL) else NotImplemented


def central_pairs(row: Tensor, prior: Tensor, *args: Any) -> Any:
    """See `labelassign.ops.central.central_pairs`."""
    call = bind.Call()
    call.values.append(row.shape[0])
    call.tensor(row)
    call.tensor(prior)
    scene(call, args)
    cost, iou = torch.empty(row.shape[0]), torch.empty(row.shape[0])
    call.outputs(cost, iou)
    return (cost, iou) if call.run(PAIRS) else NotImplemented


def contest(*args: Any) -> Any:
    """See `labelassign.ops.central.contest`."""
    *other, chosen, prior, cost, iou, kept, reason, by, against = args[21:]
    call = bind.Call()
    scene(call, args)
    voice(call, *(args[14:17] if chosen is None else other))
    call.tensor(chosen)
    call.values.append(prior.shape[1])
    for t in (prior, cost, iou, kept, reason):
        call.tensor(t)
    call.values += (int(by == "iou"), int(against == "all"))
    images, n = args[5].shape[0] - 1, args[0].shape[-2]
    index, paid = torch.empty(images, n, dtype=torch.int64), torch.empty(images, n)
    out = (index, paid, torch.empty(reason.shape, dtype=torch.int8))
    call.outputs(*out)
    return out if call.run(CONTEST) else NotImplemented
