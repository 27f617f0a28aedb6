"""The op on the compiled library."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from labelassign.ops.native import bind

KERNEL, MOST = 19, 256


def refusal(*args: Any) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    why = bind.unfit("lf", args)
    if why is not None or len(args) < 3:
        return why
    index, paid, most = args[:3]
    if paid.shape != index.shape:
        return f"the costs are {list(paid.shape)}, the index is {list(index.shape)}"
    if not 0 < most <= MOST:
        return f"{most} priors to keep: its lists have 1 to {MOST} places"
    return None if index.numel() < 2**31 else f"{index.numel()} priors are more than it can number"


def keep_best(index: Tensor, paid: Tensor, most: int, rows: int) -> Any:
    """See `labelassign.ops.keep`."""
    out = tuple(bind.plain(t).clone() for t in (index, paid))
    call = bind.Call()
    call.values += (index.numel(), rows, most)
    call.outputs(*out)
    return out if call.run(KERNEL) else NotImplemented
