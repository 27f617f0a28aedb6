"""The ops on the compiled library."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops.native import bind

KERNEL, PAIRS = 3, 4


def unfit_network(scores: Tensor, boxes: Tensor, images: int, priors: int) -> str | None:
    """Why a network's predictions do not fit."""
    if scores.shape[:2] != (images, priors) or boxes.shape[:2] != (images, priors):
        return f"the predictions are not of {images} images and {priors} priors"
    return None if scores.shape[2] else "no classes: nothing to do fast"


def refusal(*args: Any) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    why = bind.unfit_priors("fbfllb-nn", args)
    if why is not None or len(args) < 10:
        return why
    n = args[0].shape[-2]
    return bind.unfit_levels(args[9], n) or unfit_network(args[7], args[8], args[4].shape[0] - 1, n)


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
    *rules: Any,
) -> Any:
    """See `labelassign.ops.candidates`."""
    topk, overlaps, spread, pos_iou, rescue, zero_rescues, claims_take, shared, scores_are, *cost = rules
    call = bind.Call()
    call.priors(prior_boxes, valid)
    call.objects(gt_boxes, labels, offsets, ignore, classes)
    call.network(scores, boxes)
    call.values += (topk, overlaps, spread, pos_iou, rescue, 0.0, zero_rescues, True)  # claims from overlap 0, all ties
    call.values += (claims_take, shared, bind.SCORES[scores_are], *cost)
    per_level, lists = (gt_boxes.shape[0], len(level_sizes)), (gt_boxes.shape[0], len(level_sizes), topk)
    prior, count = torch.empty(lists, dtype=torch.int64), torch.empty(per_level, dtype=torch.int64)
    costs, iou, best_iou = torch.empty(lists), torch.empty(lists), torch.empty(*per_level, overlaps)
    mean, variance = torch.empty(per_level, dtype=torch.float64), torch.empty(per_level, dtype=torch.float64)
    reason, refused = torch.empty_like(labels), torch.empty(offsets.shape[0] - 1, dtype=torch.int64)
    out = (prior, costs, iou, best_iou, count, mean, variance, reason, refused)
    call.outputs(*out)
    call.levels(level_sizes)
    return out if call.run(KERNEL) else NotImplemented


def refusal_of_pairs(*args: Any) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    why = bind.unfit("lllnnfl", args)
    return why or (unfit_network(args[3], args[4], *args[4].shape[:2]) if len(args) > 4 else None)


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
