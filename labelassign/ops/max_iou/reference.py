"""Thresholds on best overlaps, and what becomes of claims: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.ops.complete.reference import complete
from labelassign.ops.match.reference import RESCUE_OFF, match
from labelassign.ops.objects import reached, usable
from labelassign.structures import BACKGROUND, IGNORE, Reason, rows
from labelassign.structures.targets import count_rows


def max_iou(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    pos_iou: float,
    lo: float,
    hi: float,
    rescue: int,
    min_iou: float,
    zero_rescues: bool,
    all_ties: bool,
    claims_take: bool,
    ignore_iof: float,
) -> tuple[Tensor, ...]:
    """See `labelassign.ops.max_iou`."""
    total, image_of = gt_boxes.shape[0], rows.image_of(offsets, gt_boxes.shape[0])
    able = usable(gt_boxes, gt_labels, offsets, ignore, classes)
    where = (prior_boxes, valid, gt_boxes, able, image_of, offsets.shape[0] - 1)
    iou, row, best, claim = match(*where, rescue, min_iou, zero_rescues, all_ties)
    # a prior of an image without objects has overlap 0, whatever the interval
    index = torch.where(((iou >= lo) & (iou < hi)) | (row < 0), BACKGROUND, IGNORE)
    enough = (iou >= pos_iou) & (row >= 0)
    index = torch.where(enough, row, index)
    index = torch.where(claim >= 0, claim if claims_take else row, index)
    short = torch.where(best > 0, Reason.REJECTED, Reason.NO_CANDIDATE)
    reason = torch.where(best >= pos_iou, Reason.FINE, short)
    if rescue != RESCUE_OFF:
        needy = (best >= min_iou) & ((best > 0) | (reached(prior_boxes, valid, image_of) & zero_rescues))
        unaided = count_rows(torch.where(enough & (index == row), row, -1), total) > 0
        reason = torch.where(needy & ~unaided, Reason.RESCUED, reason)
    objects = (gt_boxes, gt_labels, offsets, ignore, classes)
    index, *weights, reason = complete(index, reason.to(torch.int8), None, prior_boxes, valid, *objects, ignore_iof)
    return index, iou, *weights, reason
