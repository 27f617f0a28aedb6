"""Op of adaptive training sample selection."""

from __future__ import annotations

from labelassign.ops.atss import native
from labelassign.ops.atss.reference import atss as _reference
from labelassign.ops.dispatch import Op
from labelassign.ops.objects import OBJECTS, fake_answer

__all__ = ["atss"]


atss = Op(
    "atss",
    f"(Tensor prior_boxes, Tensor? valid, {OBJECTS}, SymInt[] level_sizes, SymInt topk, bool keep_single, "
    "float margin, float ignore_iof) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    _reference,
    fake_answer,
    {"native": (native.atss, native.refusal)},
).register()
"""The whole of `ATSS`: gt_index, overlap, cls_target, cls_weight, loc_weight `[B, N]`, and final reasons `[G]`."""
