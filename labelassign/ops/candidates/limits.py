"""What the Triton path of the candidates does not take."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from labelassign.ops import accelerator

LEVELS, TOPK = 8, 64


def refusal(*args: Any) -> str | None:
    """The sentence for the op's arguments, or for only the first of them; None if nothing speaks against them."""
    found = accelerator.refusal(*args)
    return _refusal(*args) if found is None and len(args) >= 19 else found


def _refusal(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    scores: Tensor,
    boxes: Tensor,
    level_sizes: list[int],
    topk: int,
    overlaps: int,
    spread: bool,
    pos_iou: float,
    rescue: int,
    zero_rescues: bool,
    claims_take: bool,
    shared: bool,
    scores_are: str,
    *cost: object,
) -> str | None:
    if shared:
        return "candidates that several rows share are chosen by the reference alone"
    if scores_are == "softmax_logits":
        return "softmax scores are read by the reference alone"
    if overlaps:
        return "the largest overlaps (for a dynamic k) are found by the reference alone"
    if not 0 < topk <= TOPK:
        return f"topk = {topk}; the kernel keeps 1 to {TOPK}"
    if not 0 < len(level_sizes) <= LEVELS:
        return f"{len(level_sizes)} levels; the kernel knows 1 to {LEVELS}"
    return accelerator.refused_boxes(prior_boxes, valid, gt_boxes, gt_labels, offsets, ignore)
