"""Ops of classification-and-overlap costs."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.dispatch import Op
from labelassign.ops.rank import reference

__all__ = ["pair_cost", "rank"]

_PAIRS = "Tensor image_of, Tensor scores, Tensor boxes, Tensor gt_boxes, Tensor gt_labels"
_COST = "str scores_are, float alpha, float gamma, bool generalized, float iou_weight"


def _fake_rank(
    row: Tensor,
    prior: Tensor,
    image_of: Tensor,
    scores: Tensor,
    boxes: Tensor,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    level_sizes: list[int],
    topk: int,
    overlaps: int,
    *cost: object,
) -> tuple[Tensor, ...]:
    g, levels = gt_boxes.shape[0], len(level_sizes)
    lists = gt_boxes.new_empty(g, levels, topk)
    moment = gt_boxes.new_empty(g, levels).double()
    best = gt_boxes.new_empty(g, levels, overlaps)
    counts = image_of.new_empty(g, levels)
    images = image_of.new_empty((scores.shape[0],))
    return lists.long(), lists, lists.clone(), best, counts, moment, moment.clone(), images


rank = Op(
    "rank",
    f"(Tensor row, Tensor prior, {_PAIRS}, SymInt[] level_sizes, int topk, int overlaps, {_COST}) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    reference.rank,
    _fake_rank,
).register()
"""The cheapest priors of every ground truth and level among the pairs (`row[i]`, `prior[i]`), row -1 meaning no pair.

cost = focal loss summed over classes + `iou_weight` · (1 - IoU, or 1 - GIoU if `generalized`), float64 inside, rounded
once to float32; a non-finite prediction or cost never takes part. Gives the fields of `Candidates` in their order
(prior, cost, iou, best_iou, count, mean, variance) and the number of refused pairs per image. Ties: place in the list,
so give the pairs of a ground truth by rising prior."""


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
    return reference.pair_cost(scores, boxes, gt_boxes, gt_labels, image_of, row, prior, *cost)  # pyright: ignore


pair_cost = Op(
    "pair_cost",
    f"(Tensor row, Tensor prior, {_PAIRS}, {_COST}) -> (Tensor, Tensor)",
    _pair_cost,
    _fake_pairs,
).register()
"""Cost and predicted overlap of single pairs, as `rank` computes them; both `[M]` float32."""
