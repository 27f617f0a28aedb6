"""The op on the compiled library."""

from __future__ import annotations

from array import array
from typing import Any

from torch import Tensor

from labelassign.ops.native import bind

KERNEL = 17


def refusal(*args: Any) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    why = bind.unfit_priors("fbfllb-f", args)
    if why is not None or len(args) < 10:
        return why
    boxes, strides, sizes, ranges = args[0], *args[7:10]
    if strides is not None and strides.shape != (boxes.shape[-2],):
        return f"the strides are {list(strides.shape)}, of {boxes.shape[-2]} priors"
    if len(ranges) != 2 * len(sizes) and (ranges or strides is None):
        return f"{len(ranges)} ends of ranges for {len(sizes)} levels"
    return bind.unfit_levels(sizes, boxes.shape[-2])


def fcos(
    prior_boxes: Tensor,
    valid: Tensor | None,
    boxes: Tensor,
    labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    strides: Tensor | None,
    level_sizes: list[int],
    ranges: list[float],
    radius: float,
    rule: int,
    ignore_iof: float,
) -> Any:
    """See `labelassign.ops.fcos`."""
    call, ends = bind.Call(), array("d", ranges)
    call.priors(prior_boxes, valid)
    call.objects(boxes, labels, offsets, ignore, classes)
    call.tensor(strides)
    call.values += (radius, rule)
    answer = call.answer(prior_boxes, offsets, labels, ignore_iof)
    call.values.append(ends.buffer_info()[0] if ranges else 0)
    call.levels(level_sizes)
    return answer if call.run(KERNEL) else NotImplemented
