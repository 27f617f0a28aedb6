"""Op of probabilistic anchor assignment, whole."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.accelerator import lazily
from labelassign.ops.candidates import COST
from labelassign.ops.dispatch import Op
from labelassign.ops.mixture import FIT, SEPARATION
from labelassign.ops.objects import OBJECTS, fake_answer
from labelassign.ops.paa import limits, native, reference

__all__ = ["paa"]


def _fake(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    *rules: object,
) -> tuple[Tensor, ...]:
    answer = fake_answer(prior_boxes, valid, gt_boxes, gt_labels, offsets, ignore)
    return *answer, offsets.new_empty(offsets.shape[0] - 1), gt_labels.clone(), ignore.clone()


paa = Op(
    "paa",
    f"(Tensor prior_boxes, Tensor? valid, {OBJECTS}, Tensor scores, Tensor boxes, SymInt[] level_sizes, SymInt topk, "
    f"float pos_iou, int rescue, bool zero_rescues, bool claims_take, bool shared, {COST}, {FIT}, {SEPARATION}, "
    "float ignore_iof) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    reference.paa,
    _fake,
    {"triton": (lazily("paa", "paa"), limits.refusal), "native": (native.paa, native.refusal)},
).register()
"""The whole of `PAA` under one network: what `candidates`, `settle`, `resolve` and `complete` give one after another.

Gives gt_index, quality, cls_target, cls_weight and loc_weight `[B, N]`, the final reasons `[G]`, refused pairs `[B]`,
and of each row's mixture steps `[G]` (int64) and converged `[G]` (bool)."""
