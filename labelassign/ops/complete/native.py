"""The op on the compiled library."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops.native import bind

KERNEL = 9


def refusal(
    index: Tensor, reason: Tensor, cls_target: Tensor | None, seen: Tensor, valid: Tensor | None, *rest: Any
) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    boxes, labels, offsets, ignore = rest[:4]
    if reason.dtype != torch.int8:
        return f"it takes int8 reasons, got {reason.dtype}"
    if cls_target is not None and cls_target.shape != index.shape:
        return f"it takes targets of the shape of the index, got {list(cls_target.shape)}"
    why = bind.unfit((cls_target, seen, boxes), (index, labels, offsets), (valid, ignore))
    return why or bind.unfit_priors(seen, valid, offsets.shape[0] - 1)


def complete(
    index: Tensor,
    reason: Tensor,
    cls_target: Tensor | None,
    seen: Tensor,
    valid: Tensor | None,
    boxes: Tensor,
    labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    ignore_iof: float,
) -> Any:
    """See `labelassign.ops.complete`."""
    call = bind.Call()
    call.objects(boxes, labels, offsets, ignore, classes)
    call.values += (index.shape[1], index.shape[1] if seen.dim() == 3 else 0)
    for t in (index, reason, cls_target, seen, valid):
        call.tensor(t)
    call.values.append(ignore_iof)
    target = torch.empty(index.shape)
    out = (
        torch.empty_like(index),
        target,
        torch.empty_like(target),
        torch.empty_like(target),
        torch.empty_like(reason),
    )
    call.outputs(*out)
    return out if call.run(KERNEL) else NotImplemented
