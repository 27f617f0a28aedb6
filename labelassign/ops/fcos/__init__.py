"""Op of assignment by centre area, regression range and smallest object."""

from __future__ import annotations

from labelassign.ops.dispatch import Op
from labelassign.ops.fcos import native
from labelassign.ops.fcos.reference import fcos as _reference
from labelassign.ops.fcos.smallest import MMDET, PAPER, TORCHVISION
from labelassign.ops.objects import OBJECTS, fake_answer

__all__ = ["MMDET", "PAPER", "TORCHVISION", "fcos"]


fcos = Op(
    "fcos",
    f"(Tensor prior_boxes, Tensor? valid, {OBJECTS}, Tensor? strides, SymInt[] level_sizes, float[] ranges, "
    "float radius, int rule, float ignore_iof) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    _reference,
    fake_answer,
    {"native": (native.fcos, native.refusal)},
).register()
"""The whole of `FCOS`: gt_index, centerness, cls_target, cls_weight, loc_weight `[B, N]`, and final reasons `[G]`.

`ranges`: lowest and highest distance of each level in pixels, one after the other; empty: from `strides`. `radius` in
strides, negative: the whole object. `rule`: PAPER, MMDET or TORCHVISION, see `smallest`."""
