"""The op on the compiled library."""

from __future__ import annotations

from typing import Any

import torch

from labelassign.ops.central.native import POOLS, scene
from labelassign.ops.central.refusals import refusal
from labelassign.ops.native import bind

__all__ = ["central_answer", "refusal"]

KERNEL = 16
DECIDE = {"listed": 0, "inside": 1, "dynamic": 2}


def central_answer(*args: Any) -> Any:
    """See `labelassign.ops.central_answer`."""
    topk, decide, by, against, shares, eps, ignore_iof = args[21:]
    fought = {"claimants": -1, "all": POOLS[args[12]], "every": POOLS["every"]}[against]
    call = bind.Call()
    scene(call, args)
    call.values += (topk, DECIDE[decide], int(by == "iou"), fought, int(shares), float(eps))
    answer = call.answer(args[0], args[5], args[4], float(ignore_iof))
    refused = torch.empty(args[5].shape[0] - 1, dtype=torch.int64)
    call.outputs(refused)
    return (*answer, refused) if call.run(KERNEL) else NotImplemented
