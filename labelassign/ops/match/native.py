"""The op on the compiled library."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops.max_iou.native import refusal
from labelassign.ops.native import bind

__all__ = ["match", "refusal"]

KERNEL = 0


def match(
    prior_boxes: Tensor,
    valid: Tensor | None,
    boxes: Tensor,
    labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    *rules: Any,
) -> Any:
    """See `labelassign.ops.match`."""
    call = bind.Call()
    call.priors(prior_boxes, valid)
    call.objects(boxes, labels, offsets, ignore, classes)
    call.values += rules
    iou = torch.empty(offsets.shape[0] - 1, prior_boxes.shape[-2])
    best, row = torch.empty(boxes.shape[0]), torch.empty(iou.shape, dtype=torch.int64)
    claim = torch.empty_like(row)
    call.outputs(iou, row, best, claim)
    return (iou, row, best, claim) if call.run(KERNEL) else NotImplemented
