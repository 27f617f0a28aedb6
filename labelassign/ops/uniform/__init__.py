"""Op of uniform matching."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.dispatch import Op
from labelassign.ops.objects import OBJECTS, fake_answer
from labelassign.ops.uniform import native
from labelassign.ops.uniform.reference import uniform as _reference

__all__ = ["uniform"]


def _fake(prior_boxes: Tensor, valid: Tensor | None, gt_boxes: Tensor, *rest: Tensor) -> tuple[Tensor, ...]:
    offsets = rest[1]
    answer = fake_answer(prior_boxes, valid, gt_boxes, *rest)
    return *answer, offsets.new_empty(offsets.shape[0] - 1)


uniform = Op(
    "uniform",
    f"(Tensor prior_boxes, Tensor? valid, {OBJECTS}, Tensor scores, Tensor boxes, SymInt times, float pos_ignore, "
    "float neg_ignore, bool last_write, float ignore_iof) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    _reference,
    _fake,
    {"native": (native.uniform, native.refusal)},
).register()
"""The whole of `Uniform`: gt_index, overlap, cls_target, cls_weight, loc_weight `[B, N]`, and final reasons `[G]`.

Then how many priors of each image were left out because their prediction is not finite `[B]`."""
