"""Op of assignment by the highest overlap."""

from __future__ import annotations

from labelassign.ops.accelerator import lazily
from labelassign.ops.dispatch import Op
from labelassign.ops.max_iou import limits, native
from labelassign.ops.max_iou.reference import max_iou as _reference
from labelassign.ops.objects import OBJECTS, fake_answer

__all__ = ["max_iou"]


max_iou = Op(
    "max_iou",
    f"(Tensor prior_boxes, Tensor? valid, {OBJECTS}, float pos_iou, float lo, float hi, int rescue, float min_iou, "
    "bool zero_rescues, bool all_ties, bool claims_take, float ignore_iof) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    _reference,
    fake_answer,
    {"triton": (lazily("max_iou", "max_iou"), limits.refusal), "native": (native.max_iou, native.refusal)},
).register()
"""The whole of `MaxIoU`: gt_index, best overlap, cls_target, cls_weight, loc_weight `[B, N]`, final reasons `[G]`.

`rescue` and `min_iou` as in the op `match`; `claims_take`: a claimed prior learns the needy object, not its argmax."""
