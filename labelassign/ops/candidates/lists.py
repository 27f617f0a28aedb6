"""The cheapest of every (ground truth, level) in a list of pairs, and the moments of all."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.ops.blocks import selected
from labelassign.ops.candidates.costs import pair_cost
from labelassign.ops.candidates.segments import cheapest, moments


def level_of(prior: Tensor, level_sizes: list[int]) -> Tensor:
    """The level of each prior."""
    level, edge = torch.zeros_like(prior), 0
    for size in level_sizes[:-1]:
        edge += size
        level += prior >= edge
    return level


def rank(
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
    spread: bool,
    scores_are: str,
    alpha: float,
    gamma: float,
    generalized: bool,
    iou_weight: float,
) -> tuple[Tensor, ...]:
    """Cheapest lists of the pairs (`row[i]`, `prior[i]`), row -1 meaning no pair: prior, cost, iou, best_iou, count.

    Then mean and variance, and the refused pairs per image. Ties: place in the list.
    """
    rows, levels = gt_boxes.shape[0], len(level_sizes)
    chosen = selected(row >= 0)
    row, prior = row[chosen], prior[chosen]
    present, safe = row >= 0, row.clamp(min=0)
    pairs = (scores, boxes, gt_boxes, gt_labels, image_of, safe, prior)
    cost, iou = pair_cost(*pairs, scores_are, alpha, gamma, generalized, iou_weight)
    usable = present & torch.isfinite(cost)
    refused = torch.zeros(scores.shape[0], dtype=torch.int64, device=scores.device)
    refused.scatter_add_(0, image_of[safe], (present & ~usable).long())
    groups = rows * levels
    group = torch.where(usable, safe * levels + level_of(prior, level_sizes), groups)
    place = cheapest(group, cost, groups, topk)
    prior, cost, iou = (torch.cat([t, t.new_zeros(1)]) for t in (prior, cost, iou))  # place -1 reads the last entry
    # by size of overlap instead of cost: what a dynamic k adds up
    largest = cheapest(group, -iou[:-1], groups, overlaps) if overlaps else place[:, :0]
    return (
        torch.where(place >= 0, prior[place], -1).view(rows, levels, topk),
        torch.where(place >= 0, cost[place], torch.inf).view(rows, levels, topk),
        torch.where(place >= 0, iou[place], 0.0).view(rows, levels, topk),
        torch.where(largest >= 0, iou[largest], 0.0).view(rows, levels, overlaps),
        *(t.view(rows, levels) for t in moments(group, cost[:-1], groups, spread)),
        refused,
    )
