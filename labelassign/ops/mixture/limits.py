"""What the Triton path of settling does not take."""

from __future__ import annotations

from typing import Any

import torch

from labelassign.ops import accelerator

COLUMNS = 1024


def refusal(*args: Any) -> str | None:
    """The sentence for the op's arguments, or for only the first of them; None if nothing speaks against them."""
    found = accelerator.refusal(*args)
    if found is not None:
        return found
    costs = args[0]
    if costs.shape[1] > COLUMNS:
        return f"rows of {costs.shape[1]} costs; the kernel holds {COLUMNS} in its registers"
    sizes = accelerator.wrong_size(rows=costs.shape[0], columns=costs.shape[1])
    return accelerator.wrong_type(costs=(costs, torch.float32)) or sizes
