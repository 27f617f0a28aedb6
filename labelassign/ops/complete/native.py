"""The op on the compiled library."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops.native import bind

KERNEL = 9


def refusal(*args: Any) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    why = bind.unfit("lcffbfllb", args)
    if why is not None or len(args) < 9:
        return why
    index, _, target, seen, valid = args[:5]
    if target is not None and target.shape != index.shape:
        return f"the targets are {list(target.shape)}, the index is {list(index.shape)}"
    return bind.unfit_priors("fb-----", (seen, valid, args[5], None, args[7]))


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
