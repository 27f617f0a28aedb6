"""What the Triton path of matching does not take."""

from __future__ import annotations

from typing import Any

from labelassign.ops import accelerator


def refusal(*args: Any) -> str | None:
    """The sentence for the op's arguments, or for only the first of them; None if nothing speaks against them."""
    found = accelerator.refusal(*args)
    return accelerator.refused_boxes(*args[:6]) if found is None and len(args) >= 6 else found
