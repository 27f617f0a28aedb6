"""Ignored regions, invalid priors, weights and reasons: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.ops.complete.cover import cover
from labelassign.ops.objects import usable
from labelassign.structures import BACKGROUND, IGNORE, Reason, rows
from labelassign.structures.targets import count_rows


def complete(
    index: Tensor,
    reason: Tensor,
    cls_target: Tensor | None,
    seen: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    ignore_iof: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """See `labelassign.ops.complete`."""
    total = gt_boxes.shape[0]
    real = rows.in_use(offsets, total)
    if ignore_iof >= 0:
        active = ignore & real & rows.well_formed(gt_boxes, gt_labels, None)
        hidden = cover(seen, gt_boxes, active, rows.image_of(offsets, total), offsets.shape[0] - 1, ignore_iof)
        index = torch.where((index == BACKGROUND) & hidden, IGNORE, index)
    # a copy where nothing else makes one: an op's output is never its input
    index = index.clone() if valid is None else torch.where(valid, index, IGNORE)
    positive = (index >= 0).float()
    target = positive.clone() if cls_target is None else cls_target * positive
    owns = count_rows(index, total) > 0
    # `.value`: under torch.compile a tensor equals no member of an IntEnum
    fine, rescued = reason == Reason.FINE.value, reason == Reason.RESCUED.value
    served = torch.where(rescued, Reason.RESCUED, Reason.FINE)
    # a row that had what it needed and still ends with nothing has lost it to others
    reason = torch.where(owns, served, torch.where(fine | rescued, Reason.LOST, reason))
    reason = torch.where(usable(gt_boxes, gt_labels, offsets, ignore, classes), reason, Reason.INVALID)
    reason = torch.where(real, torch.where(ignore, Reason.IGNORED, reason), Reason.PADDING)
    return index, target, (index != IGNORE).float(), positive, reason.to(torch.int8)
