"""Which priors a ground truth may choose from, and the cheapest of them: the definition."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor

from labelassign.ops.candidates.lists import rank
from labelassign.ops.match.reference import RESCUE_OFF, match, members
from labelassign.ops.objects import reached, usable
from labelassign.structures import Reason, rows


def candidates(
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
    spread: bool,
    pos_iou: float,
    rescue: int,
    zero_rescues: bool,
    claims_take: bool,
    shared: bool,
    scores_are: str,
    alpha: float,
    gamma: float,
    generalized: bool,
    iou_weight: float,
) -> tuple[Tensor, ...]:
    """See `labelassign.ops.candidates`."""
    objects = (gt_boxes, gt_labels, offsets, ignore, classes)
    claims = (pos_iou, rescue, zero_rescues, claims_take, shared)
    row, prior, image_of, reason = choosers(prior_boxes, valid, *objects, *claims)
    cost = (scores_are, alpha, gamma, generalized, iou_weight)
    network = (image_of, scores, boxes, gt_boxes, gt_labels)
    *lists, refused = rank(row, prior, *network, level_sizes, topk, overlaps, spread, *cost)
    return *lists, reason, refused


def choosers(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    pos_iou: float,
    rescue: int,
    zero_rescues: bool,
    claims_take: bool,
    shared: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Row (-1: no pair) and prior of every pair, the image of every row, and why it would get nothing."""
    image_of = rows.image_of(offsets, gt_boxes.shape[0])
    able = usable(gt_boxes, gt_labels, offsets, ignore, classes)
    where = (prior_boxes, valid, gt_boxes, able, image_of)
    if shared:
        row, prior, reason = _every(*where, pos_iou, rescue, zero_rescues)
    else:
        row, prior, reason = _partition(*where, offsets.shape[0] - 1, pos_iou, rescue, zero_rescues, claims_take)
    had = torch.zeros_like(reason).scatter_reduce(0, row.clamp(min=0), (row >= 0).long(), "amax")
    return row, prior, image_of, torch.where(had > 0, Reason.REJECTED, reason)


Pairs: TypeAlias = tuple[Tensor, Tensor, Tensor]
"""Row (-1: no pair) and prior of every pair, and why a row would have none."""


def _every(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    able: Tensor,
    image_of: Tensor,
    pos_iou: float,
    rescue: int,
    zero_rescues: bool,
) -> Pairs:
    """Every object chooses by itself."""
    member = members(prior_boxes, valid, gt_boxes, able, image_of, pos_iou, rescue, zero_rescues)
    each = torch.arange(member.shape[0], device=member.device)[:, None]
    prior = torch.arange(member.shape[1], device=member.device).repeat(member.shape[0])
    reason = torch.where(member.any(1), Reason.FINE, Reason.NO_CANDIDATE)
    return torch.where(member, each, -1).flatten(), prior, reason


def _partition(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    able: Tensor,
    image_of: Tensor,
    images: int,
    pos_iou: float,
    rescue: int,
    zero_rescues: bool,
    claims_take: bool,
) -> Pairs:
    """Every prior has one object to choose it, if any."""
    where = (prior_boxes, valid, gt_boxes, able, image_of, images)
    iou, argmax, best, claim = match(*where, rescue, 0.0, zero_rescues, True)
    claimed = claim if claims_take else argmax
    row = torch.where(claim >= 0, claimed, torch.where(iou >= pos_iou, argmax, -1)).flatten()
    prior = torch.arange(iou.shape[1], device=iou.device).repeat(images)
    # whoever overlaps enough and owns nothing has lost its priors to objects that overlap them more
    needy = ((best > 0) | (reached(prior_boxes, valid, image_of) & zero_rescues)) & (rescue != RESCUE_OFF)
    return row, prior, torch.where((best >= pos_iou) | needy, Reason.LOST, Reason.NO_CANDIDATE)
