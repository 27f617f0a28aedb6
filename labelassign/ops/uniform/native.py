"""The op on the compiled library."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops.accelerator import rotated_boxes
from labelassign.ops.candidates.native import unfit_network
from labelassign.ops.native import bind

KERNEL, MOST = 18, 128


def refusal(*args: Any) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    why = bind.unfit_priors("fbfllb-nn", args)
    if why is not None or len(args) < 9:
        return why
    why = rotated_boxes(args[8]) or unfit_network(args[7], args[8], args[4].shape[0] - 1, args[0].shape[-2])
    if why is not None or len(args) < 12:
        return why
    times, neg_ignore = args[9], args[11]
    if not 0 < times <= MOST:
        return f"{times} closest priors: its lists have 1 to {MOST} places"
    return None if neg_ignore >= 0 else f"the highest overlap of background is {neg_ignore}: no overlap is below 0"


def uniform(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    scores: Tensor,
    boxes: Tensor,
    *rules: Any,
) -> Any:
    """See `labelassign.ops.uniform`."""
    call, lost = bind.Call(), torch.empty(offsets.shape[0] - 1, dtype=torch.int64)
    call.priors(prior_boxes, valid)
    call.objects(gt_boxes, labels, offsets, ignore, classes)
    call.network(scores, boxes)
    call.values += rules[:-1]
    answer = call.answer(prior_boxes, offsets, labels, rules[-1])
    call.outputs(lost)
    return (*answer, lost) if call.run(KERNEL) else NotImplemented
