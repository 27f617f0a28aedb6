"""What the Triton path of matching does not take."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from labelassign.ops import accelerator


def refusal(*args: Any) -> str | None:
    """The sentence for the op's arguments, or only the first of them; None if the path takes them."""
    found = accelerator.refusal(*args)
    return _refusal(*args) if found is None and len(args) > 1 else found


def _refusal(
    prior_boxes: Tensor, valid: Tensor | None, gt_boxes: Tensor, usable: Tensor, image_of: Tensor, images: int, *_: Any
) -> str | None:
    objects = (prior_boxes, valid, gt_boxes, image_of, image_of, usable)
    return accelerator.refused_objects(*objects) or accelerator.wrong_size(images=images)
