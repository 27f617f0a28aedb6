"""The op on the compiled library."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops.native import bind

KERNEL = 1


def refusal(*args: Any) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    return bind.unfit_priors("fbfllb", args)


def max_iou(
    prior_boxes: Tensor,
    valid: Tensor | None,
    boxes: Tensor,
    labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    *rules: Any,
) -> Any:
    """See `labelassign.ops.max_iou`."""
    call = bind.Call()
    call.priors(prior_boxes, valid)
    call.objects(boxes, labels, offsets, ignore, classes)
    call.values += rules
    iou = torch.empty(offsets.shape[0] - 1, prior_boxes.shape[-2])
    index = torch.empty(iou.shape, dtype=torch.int64)
    reason = torch.empty(boxes.shape[0], dtype=torch.int8)
    call.outputs(index, iou, reason)
    return (index, iou, reason) if call.run(KERNEL) else NotImplemented
