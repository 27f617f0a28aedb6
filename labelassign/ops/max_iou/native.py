"""The op on the compiled library."""

from __future__ import annotations

from typing import Any

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
    call.values += rules[:-1]
    answer = call.answer(prior_boxes, offsets, labels, rules[-1])
    return answer if call.run(KERNEL) else NotImplemented
