"""Ops of co-learning over probabilistic anchor assignment: two networks propose, then one answer is given."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.accelerator import lazily
from labelassign.ops.candidates import COST
from labelassign.ops.dispatch import Op
from labelassign.ops.mixture import FIT, SEPARATION
from labelassign.ops.objects import OBJECTS, fake_answer
from labelassign.ops.rivals import limits, native, reference

__all__ = ["award", "rivals"]


def _fake(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    scores: Tensor,
    boxes: Tensor,
    other_scores: Tensor,
    other_boxes: Tensor,
    level_sizes: list[int],
    topk: int,
    *rules: object,
) -> tuple[Tensor, ...]:
    images, lists = offsets.shape[0] - 1, (2, gt_boxes.shape[0], len(level_sizes))
    cost, count = gt_boxes.new_empty(*lists, topk), gt_labels.new_empty(lists)
    mean, reason = count.double(), gt_labels.clone()
    chooser = gt_labels.new_empty(images, prior_boxes.shape[-2]).int()
    return cost.long(), cost, cost.clone(), count, mean, mean.clone(), reason, gt_labels.new_empty(2, images), chooser


rivals = Op(
    "rivals",
    f"(Tensor prior_boxes, Tensor? valid, {OBJECTS}, Tensor scores, Tensor boxes, Tensor other_scores, "
    "Tensor other_boxes, SymInt[] level_sizes, SymInt topk, float pos_iou, int rescue, bool zero_rescues, "
    f"bool claims_take, bool shared, str other_scores_are, {COST}) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    reference.rivals,
    _fake,
    {"triton": (lazily("rivals", "rivals"), limits.refusal), "native": (native.rivals, native.refusal)},
).register()
"""What `candidates` gives under each of two networks, which may choose the same priors: found once.

Prior, cost and iou `[2, G, L, K]`, count, mean and variance `[2, G, L]`, the reason of rows without any `[G]`, refused
pairs `[2, B]`, and which row may choose each prior `[B, N]` (int32; -1: none, or any if `shared`)."""


def _fake_award(
    chosen: Tensor,
    prior: Tensor,
    cost: Tensor,
    chooser: Tensor | None,
    reason: Tensor,
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    *rules: object,
) -> tuple[Tensor, ...]:
    answer = fake_answer(prior_boxes, valid, gt_boxes, gt_labels, offsets, ignore)
    return *answer, gt_labels.clone(), ignore.clone()


award = Op(
    "award",
    f"(Tensor chosen, Tensor prior, Tensor cost, Tensor? chooser, Tensor reason, Tensor prior_boxes, Tensor? valid, "
    f"{OBJECTS}, {FIT}, {SEPARATION}, float ignore_iof) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    reference.award,
    _fake_award,
    {"triton": (lazily("rivals", "award"), limits.refusal_of_award), "native": (native.award, native.refusal_of_award)},
).register()
"""The answer from what `rivals` found: of each row and level the second network's list where `chosen [G, L]`.

Then what `settle`, `resolve` and `complete` give one after another: gt_index, quality, cls_target, cls_weight and
loc_weight `[B, N]`, the final reasons, mixture steps (int64) and converged (bool) `[G]`. The fast paths may rely on
`chooser`: pass None where several rows share priors."""
