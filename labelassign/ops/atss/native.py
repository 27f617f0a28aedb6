"""The op on the compiled library."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from labelassign.ops.native import bind

KERNEL = 2


def refusal(*args: Any) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    why = bind.unfit_priors("fbfllb", args)
    return why or (bind.unfit_levels(args[7], args[0].shape[-2]) if len(args) > 7 else None)


def atss(
    prior_boxes: Tensor,
    valid: Tensor | None,
    boxes: Tensor,
    labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    level_sizes: list[int],
    *rules: Any,
) -> Any:
    """See `labelassign.ops.atss`."""
    call = bind.Call()
    call.priors(prior_boxes, valid)
    call.objects(boxes, labels, offsets, ignore, classes)
    call.values += rules[:-1]
    answer = call.answer(prior_boxes, offsets, labels, rules[-1])
    call.levels(level_sizes)
    return answer if call.run(KERNEL) else NotImplemented
