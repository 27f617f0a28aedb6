"""The ops on the compiled library."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops.candidates.native import unfit_network
from labelassign.ops.mixture.native import separation
from labelassign.ops.native import bind

RIVALS, AWARD = 11, 12


def refusal(*args: Any) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    why = bind.unfit_priors("fbfllb-nnnn", args)
    if why is not None or len(args) < 12:
        return why
    n, images = args[0].shape[-2], args[4].shape[0] - 1
    if args[7].shape[2] != args[9].shape[2]:
        return f"one network has {args[7].shape[2]} classes, the other {args[9].shape[2]}"
    unfit = (unfit_network(args[7], args[8], images, n), unfit_network(args[9], args[10], images, n))
    return bind.unfit_levels(args[11], n) or unfit[0] or unfit[1]


def rivals(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    scores: Tensor,
    boxes: Tensor,
    other_scores: Tensor,
    other_boxes: Tensor,
    level_sizes: list[int],
    topk: int,
    pos_iou: float,
    rescue: int,
    zero_rescues: bool,
    *rules: Any,
) -> Any:
    """See `labelassign.ops.rivals`."""
    claims_take, shared, other_scores_are, scores_are, *cost = rules
    call = bind.Call()
    call.priors(prior_boxes, valid)
    call.objects(gt_boxes, labels, offsets, ignore, classes)
    call.network(scores, boxes)
    call.network(other_scores, other_boxes)
    call.values += (topk, pos_iou, rescue, 0.0, zero_rescues, True, claims_take, shared)  # claims from overlap 0
    call.values += (bind.SCORES[other_scores_are], bind.SCORES[scores_are], *cost)
    images, per_level = offsets.shape[0] - 1, (2, gt_boxes.shape[0], len(level_sizes))
    prior, count = torch.empty(*per_level, topk, dtype=torch.int64), torch.empty(per_level, dtype=torch.int64)
    costs, mean = torch.empty(*per_level, topk), torch.empty(per_level, dtype=torch.float64)
    refused, chooser = torch.empty(2, images, dtype=torch.int64), torch.empty(boxes.shape[:2], dtype=torch.int32)
    moments = (count, mean, torch.empty_like(mean))
    out = (prior, costs, torch.empty_like(costs), *moments, torch.empty_like(labels), refused, chooser)
    call.outputs(*out)
    call.levels(level_sizes)
    return out if call.run(RIVALS) else NotImplemented


def refusal_of_award(*args: Any) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    why = bind.unfit("blf-lfbfllb", args)
    if why is not None or len(args) < 11:
        return why
    chosen, prior, cost, *_ = args
    if prior.shape != cost.shape or prior.shape[:3] != (2, *chosen.shape):
        return f"lists {list(prior.shape)} and {list(cost.shape)} do not fit a choice {list(chosen.shape)}"
    return bind.unfit_priors("fbfllb", args[5:])


def award(
    chosen: Tensor,
    prior: Tensor,
    cost: Tensor,
    chooser: Tensor | None,
    reason: Tensor,
    prior_boxes: Tensor,
    valid: Tensor | None,
    boxes: Tensor,
    labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    *rules: Any,
) -> Any:
    """See `labelassign.ops.rivals.award`."""
    call = bind.Call()
    call.priors(prior_boxes, valid)
    call.objects(boxes, labels, offsets, ignore, classes)
    call.values += prior.shape[2:]
    for t in (chosen, prior, cost, reason):
        call.tensor(t)
    call.values += (*rules[:5], *separation(*rules[5:9]))
    extra = (torch.empty_like(labels), torch.empty_like(ignore))
    answer = call.answer(prior_boxes, offsets, labels, rules[9])
    call.outputs(*extra)
    return (*answer, *extra) if call.run(AWARD) else NotImplemented
