"""What the Triton path of conflict resolution does not take."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops import accelerator


def refusal(*args: Any) -> str | None:
    """The sentence for the op's arguments, or for only the first of them; None if nothing speaks against them."""
    found = accelerator.refusal(*args)
    return _refusal(*args) if found is None and len(args) >= 6 else found


def _refusal(prior: Tensor, state: Tensor, cost: Tensor, reason: Tensor, offsets: Tensor, priors: int) -> str | None:
    types = {
        "priors": (prior, torch.int64),
        "states": (state, torch.int8),
        "costs": (cost, torch.float32),
        "offsets": (offsets, torch.int64),
    }
    sizes = {"priors": priors, "rows": prior.shape[0], "choices": prior.shape[1], "images": offsets.shape[0] - 1}
    return accelerator.wrong_type(**types) or accelerator.wrong_size(**sizes)
