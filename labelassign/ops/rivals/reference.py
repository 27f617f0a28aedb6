"""Two networks' candidates, and the answer from a choice between them: the definition."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops.candidates.lists import rank
from labelassign.ops.candidates.reference import choosers
from labelassign.ops.paa.reference import finish


def rivals(
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
    pos_iou: float,
    rescue: int,
    zero_rescues: bool,
    claims_take: bool,
    shared: bool,
    other_scores_are: str,
    scores_are: str,
    *cost: Any,
) -> tuple[Tensor, ...]:
    """See `labelassign.ops.rivals`."""
    objects = (gt_boxes, gt_labels, offsets, ignore, classes)
    claims = (pos_iou, rescue, zero_rescues, claims_take, shared)
    row, prior, image_of, reason = choosers(prior_boxes, valid, *objects, *claims)
    cut, targets = (level_sizes, topk, 0, True), (gt_boxes, gt_labels)
    mine = rank(row, prior, image_of, scores, boxes, *targets, *cut, scores_are, *cost)
    other = rank(row, prior, image_of, other_scores, other_boxes, *targets, *cut, other_scores_are, *cost)
    found = (torch.stack(both) for both in zip(mine, other, strict=True))
    places, listed, iou, _, count, mean, variance, refused = found
    chooser = row if not shared else row.new_full((boxes.shape[:2].numel(),), -1)
    chooser = chooser.view(boxes.shape[:2]).int()
    return places, listed, iou, count, mean, variance, reason, refused, chooser


def award(
    chosen: Tensor, prior: Tensor, cost: Tensor, chooser: Tensor | None, reason: Tensor, *rest: Any
) -> tuple[Tensor, ...]:
    """See `labelassign.ops.rivals.award`."""
    prior, cost = (torch.where(chosen[..., None], lists[1], lists[0]) for lists in (prior, cost))
    return finish(prior, cost, reason, rest[:7], rest[7:-1], rest[-1])
