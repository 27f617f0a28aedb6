"""The op on the compiled library."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops.candidates.native import refusal
from labelassign.ops.mixture.native import separation
from labelassign.ops.native import bind

__all__ = ["paa", "refusal"]

KERNEL = 10


def paa(
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
    pos_iou: float,
    rescue: int,
    *rules: Any,
) -> Any:
    """See `labelassign.ops.paa`."""
    zero_rescues, claims_take, shared, scores_are, *cost = rules[:8]
    call = bind.Call()
    call.priors(prior_boxes, valid)
    call.objects(gt_boxes, labels, offsets, ignore, classes)
    call.network(scores, boxes)
    call.values += (topk, pos_iou, rescue, 0.0, zero_rescues, True)  # claims from overlap 0, all ties
    call.values += (claims_take, shared, bind.SCORES[scores_are], *cost, *rules[8:13], *separation(*rules[13:17]))
    refused, steps = torch.empty(offsets.shape[0] - 1, dtype=torch.int64), torch.empty_like(labels)
    extra = (refused, steps, torch.empty_like(ignore))
    answer = call.answer(prior_boxes, offsets, labels, rules[17])
    call.outputs(*extra)
    call.levels(level_sizes)
    return (*answer, *extra) if call.run(KERNEL) else NotImplemented
