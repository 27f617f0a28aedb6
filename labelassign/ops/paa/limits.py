"""What the Triton path of the whole method does not take: what that of its candidates does not, and long lists."""

from __future__ import annotations

from typing import Any

from labelassign.ops import accelerator
from labelassign.ops.candidates import limits

CHOICES = 256


def refusal(*args: Any) -> str | None:
    """The sentence for the op's arguments, or for only the first of them; None if nothing speaks against them."""
    if len(args) < 17:
        return accelerator.refusal(*args)
    found, levels, topk = limits.refusal(*args[:11], 0, False, *args[11:]), len(args[9]), args[10]
    if found is None and levels * topk > CHOICES:
        return f"{topk} choices on each of {levels} levels; the kernel holds {CHOICES} of a row in its registers"
    return found
