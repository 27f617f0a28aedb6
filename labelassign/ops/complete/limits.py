"""What the Triton path of completion does not take."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops import accelerator


def refusal(*args: Any) -> str | None:
    """The sentence for the op's arguments, or for only the first of them; None if nothing speaks against them."""
    found = accelerator.refusal(*args)
    return _refusal(*args) if found is None and len(args) >= 9 else found


def _refusal(
    index: Tensor,
    reason: Tensor,
    cls_target: Tensor | None,
    seen: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    *rules: Any,
) -> str | None:
    turned = accelerator.rotated_boxes(seen)
    objects = turned or accelerator.refused_objects(index.shape[1], valid, gt_boxes, gt_labels, offsets, ignore)
    return objects or accelerator.wrong_type(indices=(index, torch.int64), targets=(cls_target, torch.float32))
