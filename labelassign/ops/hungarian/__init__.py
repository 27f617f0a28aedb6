"""Op of the costs of set prediction."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.dispatch import Op
from labelassign.ops.hungarian.reference import set_cost as _reference
from labelassign.ops.objects import OBJECTS

__all__ = ["set_cost"]


def _fake(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    image_sizes: Tensor,
    scores: Tensor,
    boxes: Tensor,
    *rules: object,
) -> tuple[Tensor, Tensor]:
    return gt_boxes.new_empty(gt_boxes.shape[0], boxes.shape[1]), offsets.new_empty(offsets.shape[0] - 1)


set_cost = Op(
    "set_cost",
    f"(Tensor prior_boxes, Tensor? valid, {OBJECTS}, Tensor image_sizes, Tensor scores, Tensor boxes, str scores_are, "
    "str cls_cost, float alpha, float gamma, float eps, float cls_weight, float l1_weight, float giou_weight) "
    "-> (Tensor, Tensor)",
    _reference,
    _fake,
).register()
"""Cost of every ground truth with every query of its own image `[G, N]`, and a count per image `[B]`.

Weighted sum of the classification cost, the L1 distance of (cx, cy, w, h) in shares of the image, and -GIoU: float64
inside, rounded once to float32. +inf, which means never: rows that may own nothing, priors that are invalid or not
finite, and predictions with a NaN or infinity anywhere, whose number is the second answer.
"""
