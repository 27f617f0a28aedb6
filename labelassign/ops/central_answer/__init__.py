"""Op of methods whose candidates are known by their centres, whole."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.accelerator import lazily
from labelassign.ops.central.scene import COST, NETWORK, REGION, WHERE
from labelassign.ops.central_answer import limits, native, reference
from labelassign.ops.dispatch import Op
from labelassign.ops.objects import fake_answer

__all__ = ["central_answer"]


def _fake(
    prior_boxes: Tensor,
    valid: Tensor | None,
    strides: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    *rules: object,
) -> tuple[Tensor, ...]:
    answer = fake_answer(prior_boxes, valid, gt_boxes, gt_labels, offsets, ignore)
    return *answer, offsets.new_empty(offsets.shape[0] - 1)


central_answer = Op(
    "central_answer",
    f"({WHERE}, {REGION}, {NETWORK}, {COST}, SymInt topk, str decide, str by, str against, bool shares, float eps, "
    "float ignore_iof) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    reference.central_answer,
    _fake,
    {
        "triton": (lazily("central_answer", "central_answer"), limits.refusal),
        "native": (native.central_answer, native.refusal),
    },
).register()
"""TaskAligned, SimOTA and DynamicSoftLabel under one network: `central`, a decision, `contest`, targets, `complete`.

decide: "listed", "inside" (of those the ones that lie in the object) or "dynamic" (as many as the overlaps sum up to).
by: "cost" or "iou"; against: "claimants", or whom of its image a contested prior is fought for: "all" who may choose
it, or "every" object. Soft targets: the overlaps, or if `shares` what `share_of_best` says.

Gives gt_index, quality, cls_target, cls_weight, loc_weight `[B, N]`, the final reasons `[G]`, refused pairs `[B]`."""
