"""The ops on the compiled library."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops.atss.native import refusal as _refusal
from labelassign.ops.native import bind

KERNEL, PAIRS = 3, 4


def _unfit_network(scores: Tensor, boxes: Tensor, images: int, priors: int) -> str | None:
    for t in (scores, boxes):
        if t.dtype not in bind.FLOATS or not t.is_cpu or t.shape[:2] != (images, priors):
            found = f"{t.dtype} {list(t.shape)} on {t.device}"
            return f"it takes predictions [{images}, {priors}, ...] of at most 32 bits on the CPU here, got {found}"
    return None if scores.shape[2] else "no classes: nothing to do fast"


def refusal(
    prior_boxes: Tensor, valid: Tensor | None, gt_boxes: Tensor, labels: Tensor, offsets: Tensor, *rest: Any
) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    ignore, classes, scores, boxes, level_sizes = rest[:5]
    where = (prior_boxes, valid, gt_boxes, labels, offsets, ignore, classes, level_sizes)
    return _refusal(*where) or _unfit_network(scores, boxes, offsets.shape[0] - 1, prior_boxes.shape[-2])


def candidates(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    scores: Tensor,
    boxes: Tensor,
    level_sizes: list[int],
    topk: int,
    overlaps: int,
    spread: bool,
    pos_iou: float,
    rescue: int,
    zero_rescues: bool,
    claims_take: bool,
    shared: bool,
    scores_are: str,
    *cost: Any,
) -> Any:
    """See `labelassign.ops.candidates`."""
    call = bind.Call()
    call.priors(prior_boxes, valid)
    call.objects(gt_boxes, labels, offsets, ignore, classes)
    call.network(scores, boxes)
    call.values += (topk, overlaps, spread, pos_iou)
    call.values += (rescue, 0.0, zero_rescues, True, claims_take, shared, bind.SCORES[scores_are], *cost)
    rows, levels = gt_boxes.shape[0], len(level_sizes)
    costs = torch.empty(rows, levels, topk)
    prior, iou = torch.empty(costs.shape, dtype=torch.int64), torch.empty(costs.shape)
    best_iou = torch.empty(rows, levels, overlaps)
    count = torch.empty(rows, levels, dtype=torch.int64)
    mean = torch.empty(rows, levels, dtype=torch.float64)
    variance = torch.empty_like(mean)
    reason = torch.empty(rows, dtype=torch.int64)
    refused = torch.empty(offsets.shape[0] - 1, dtype=torch.int64)
    out = (prior, costs, iou, best_iou, count, mean, variance, reason, refused)
    call.outputs(*out)
    call.levels(level_sizes)
    return out if call.run(KERNEL) else NotImplemented


def refusal_of_pairs(
    row: Tensor, prior: Tensor, image_of: Tensor, scores: Tensor, boxes: Tensor, gt_boxes: Tensor, *rest: Any
) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    why = bind.unfit((gt_boxes,), (row, prior, image_of, rest[0]))
    return why or _unfit_network(scores, boxes, *boxes.shape[:2])


def pair_cost(
    row: Tensor,
    prior: Tensor,
    image_of: Tensor,
    scores: Tensor,
    boxes: Tensor,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    scores_are: str,
    *cost: Any,
) -> Any:
    """See `labelassign.ops.candidates.pair_cost`."""
    call = bind.Call()
    call.values += (row.shape[0], boxes.shape[1])
    for t in (row, prior, image_of):
        call.tensor(t)
    call.values.append(gt_boxes.shape[0])
    call.tensor(gt_boxes)
    call.tensor(gt_labels)
    call.values.append(boxes.shape[0])
    call.network(scores, boxes)
    call.values += (bind.SCORES[scores_are], *cost)
    out, iou = torch.empty(row.shape[0]), torch.empty(row.shape[0])
    call.outputs(out, iou)
    return (out, iou) if call.run(PAIRS) else NotImplemented
