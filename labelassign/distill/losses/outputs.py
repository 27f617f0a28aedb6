"""What one network hands to soft-label distillation."""

from __future__ import annotations

from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor


class HeadOutputs(NamedTuple):
    """What one network predicts for a batch, every level flattened and concatenated.

    Attributes:
        cls: [B, N, C] class logits (probabilities with `SoftDistillation(inputs="probs")`).
        boxes: [B, N, 4] decoded xyxy boxes, pixels.
        iou: [B, N] logits of the branch that predicts IoU (or centre-ness), or None where there is no such branch.

    Example:
        >>> import torch
        >>> from labelassign.distill.losses import HeadOutputs
        >>> HeadOutputs(cls=torch.zeros(2, 5, 3), boxes=torch.zeros(2, 5, 4)).iou is None
        True
    """

    cls: Float[Tensor, "B N C"]
    boxes: Float[Tensor, "B N 4"]
    iou: Float[Tensor, "B N"] | None = None
