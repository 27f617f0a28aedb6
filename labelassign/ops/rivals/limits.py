"""What the Triton paths of co-learning do not take: what that of the candidates does not, and unlike networks."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops import accelerator
from labelassign.ops.candidates import limits
from labelassign.ops.paa.limits import CHOICES


def refusal(*args: Any) -> str | None:
    """The sentence for the op's arguments, or for only the first of them; None if nothing speaks against them."""
    found = accelerator.refusal(*args)
    if found is not None or len(args) < 20:
        return found
    mine, other, scores_are = args[7:9], args[9:11], args[18:20]
    if scores_are[0] != scores_are[1] or any(a.dtype != b.dtype for a, b in zip(mine, other, strict=True)):
        return "one network's predictions are of another kind or dtype than the other's; the kernel reads both alike"
    if mine[0].shape[2] != other[0].shape[2]:
        return f"one network has {mine[0].shape[2]} classes, the other {other[0].shape[2]}; the kernel reads both alike"
    return limits.refusal(*args[:9], *args[11:13], 0, True, *args[13:18], *args[19:])


def refusal_of_award(*args: Any) -> str | None:
    """The same for the answer."""
    found = accelerator.refusal(*args)
    return _refusal_of_award(*args[:11]) if found is None and len(args) >= 12 else found


def _refusal_of_award(
    chosen: Tensor, prior: Tensor, cost: Tensor, chooser: Tensor | None, reason: Tensor, *where: Any
) -> str | None:
    choices = prior.shape[2:].numel()
    if chooser is None:
        return "lists of which several rows share priors are settled by the reference alone"
    if choices > CHOICES:
        return f"{choices} choices of a row; the kernel holds {CHOICES} in its registers"
    given = {"choices": (chosen, torch.bool), "priors of lists": (prior, torch.int64), "costs": (cost, torch.float32)}
    rows = {"choosers": (chooser, torch.int32), "reasons": (reason, torch.int64)}
    sizes = accelerator.wrong_size(choices=choices)
    return accelerator.wrong_type(**given, **rows) or sizes or accelerator.refused_boxes(*where)
