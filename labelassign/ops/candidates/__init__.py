"""Ops of candidates and their costs."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.accelerator import lazily
from labelassign.ops.candidates import costs, limits, native, reference
from labelassign.ops.dispatch import Op
from labelassign.ops.objects import OBJECTS

__all__ = ["COST", "candidates", "pair_cost"]

COST = "str scores_are, float alpha, float gamma, bool generalized, float iou_weight"


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
    level_sizes: list[int],
    topk: int,
    overlaps: int,
    *rules: object,
) -> tuple[Tensor, ...]:
    g, levels = gt_boxes.shape[0], len(level_sizes)
    lists = gt_boxes.new_empty(g, levels, topk)
    count = gt_labels.new_empty(g, levels)
    moment = count.double()
    best = gt_boxes.new_empty(g, levels, overlaps)
    refused = gt_labels.new_empty(offsets.shape[0] - 1)
    return lists.long(), lists, lists.clone(), best, count, moment, moment.clone(), gt_labels.clone(), refused


candidates = Op(
    "candidates",
    f"(Tensor prior_boxes, Tensor? valid, {OBJECTS}, Tensor scores, Tensor boxes, SymInt[] level_sizes, SymInt topk, "
    "SymInt overlaps, bool spread, float pos_iou, int rescue, bool zero_rescues, bool claims_take, bool shared, "
    f"{COST}) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    reference.candidates,
    _fake,
    {"triton": (lazily("candidates", "candidates"), limits.refusal), "native": (native.candidates, native.refusal)},
).register()
"""The cheapest priors of every ground truth and level: the fields of `Candidates` in their order.

A prior is a candidate of the row that it overlaps most, from `pos_iou` on, or of the needy row that claims it (see
the op `match`; unless `claims_take`, a claimed prior stays with its argmax). If `shared`, it is one of every
row that it overlaps so or that has its best overlap there.

cost = focal loss summed over classes + `iou_weight` · (1 - IoU, or 1 - GIoU if `generalized`), float64 inside, rounded
once to float32; a non-finite prediction or cost never takes part. Ties: lower prior. Mean and variance are 0 unless
`spread`: only they need the cost of every candidate."""


def _fake_pairs(row: Tensor, prior: Tensor, image_of: Tensor, scores: Tensor, *rest: object) -> tuple[Tensor, Tensor]:
    value = scores.new_empty(row.shape[0]).float()
    return value, value.clone()


def _pair_cost(
    row: Tensor,
    prior: Tensor,
    image_of: Tensor,
    scores: Tensor,
    boxes: Tensor,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    *cost: object,
) -> tuple[Tensor, Tensor]:
    return costs.pair_cost(scores, boxes, gt_boxes, gt_labels, image_of, row, prior, *cost)  # pyright: ignore


pair_cost = Op(
    "pair_cost",
    "(Tensor row, Tensor prior, Tensor image_of, Tensor scores, Tensor boxes, Tensor gt_boxes, Tensor gt_labels, "
    f"{COST}) -> (Tensor, Tensor)",
    _pair_cost,
    _fake_pairs,
    {"native": (native.pair_cost, native.refusal_of_pairs)},
).register()
"""Cost and predicted overlap of single pairs, as `candidates` computes them; both `[M]` float32."""
