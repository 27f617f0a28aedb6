"""The op on the compiled library."""

from __future__ import annotations

from typing import Any

import torch

from labelassign.ops.accelerator import rotated_boxes
from labelassign.ops.candidates.native import unfit_network
from labelassign.ops.native import bind

KERNEL, MOST = 20, 256


def refusal(*args: Any) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    why = bind.unfit("fbffllb-lffffcnnnn", args) or bind.unfit_priors("", (*args[:2], *args[3:7]))
    if why is not None or len(args) < 20:
        return why
    boxes, strides, images = args[0], args[2], args[5].shape[0] - 1
    n, (least, listed) = boxes.shape[-2], args[18:20]
    if strides is not None and strides.shape != (n,):
        return f"the strides are {list(strides.shape)}, of {n} priors"
    if any(t.shape != (images, n) for t in args[8:13]) or args[13].shape != args[4].shape:
        return f"the answer is not of {images} images, {n} priors and {args[4].shape[0]} rows"
    if not 0 < least <= MOST or not 0 < listed <= MOST:
        return f"{least} priors for every object, of {listed}: its lists have 1 to {MOST} places"
    if images * n >= 2**31:
        return f"{images * n} priors are more than it can number"
    for scores, seen in (args[14:16], args[16:18]):
        why = None if scores is None or seen is None else unfit_network(scores, seen, images, n) or rotated_boxes(seen)
        if why is not None:
            return why
    return None


def rescue(*args: Any) -> Any:
    """See `labelassign.ops.rescue`."""
    call, given = bind.Call(), torch.empty(args[3].shape[0], dtype=torch.int64)
    call.priors(*args[:2])
    call.tensor(args[2])
    call.objects(*args[3:8])
    for scores, boxes in (args[14:16], args[16:18]):
        if scores is None or boxes is None:
            call.values += (0,) * 5
        else:
            call.network(scores, boxes)
    call.values += args[18:]
    out = [bind.plain(t).clone() for t in args[8:14]]
    call.outputs(*out, given)
    return (*out, given) if call.run(KERNEL) else NotImplemented
