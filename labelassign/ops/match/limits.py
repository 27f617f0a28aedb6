"""What the Triton path of matching does not take."""

from __future__ import annotations

from typing import Any

from labelassign.ops import accelerator


def refusal(*args: Any) -> str | None:
    """The sentence for the op's arguments, or only the first of them; None if the path takes them."""
    found = accelerator.refusal(*args)
    return accelerator.refused_boxes(*args[:6]) if found is None and len(args) > 1 else found
