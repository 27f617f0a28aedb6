"""ultralytics' encoding: five dense tensors per batch, objects padded to the fullest image, no state for ignored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor

from labelassign.adapters.encoding import local_rows, of_owners, packed_rows
from labelassign.structures import Assignment, GroundTruth
from labelassign.structures.targets import take_rows

Five: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]
"""target_labels [B, N], target_bboxes [B, N, 4], target_scores [B, N, C], fg_mask [B, N], target_gt_idx [B, N]."""


def to_ultralytics(assignment: Assignment, gt: GroundTruth, num_classes: int, *, slots: Tensor | None = None) -> Five:
    """(target_labels, target_bboxes, target_scores, fg_mask, target_gt_idx) as the losses of ultralytics read them.

    Carried: owners, and `cls_target` as the score of the object's class, which is also the weight of the box loss and,
    summed, the divisor of all losses. Not carried: `cls_weight` and `loc_weight`; ignored priors become background.

    Arguments:
        assignment: of B images and N priors.
        gt: the ground truth of the call.
        num_classes: C; the label of background.
        slots: place of every row among its image's padded ones `[G]`; None: rows are padded at the end.

    Example:
        >>> from labelassign.adapters.ultralytics import to_ultralytics
        >>> [list(t.shape) for t in to_ultralytics(a, gt, 10)]
        [[2, 400], [2, 400, 4], [2, 400, 10], [2, 400], [2, 400]]
    """
    labels, boxes, *_ = assignment.targets(gt, background=num_classes)
    scores = assignment.cls_target.new_zeros(*labels.shape, num_classes + 1)
    scores = scores.scatter_(-1, labels[..., None], assignment.cls_target[..., None])[..., :num_classes]
    rows = local_rows(assignment).clamp(min=0) if slots is None else take_rows(slots, assignment.gt_index)
    return labels, boxes, scores, assignment.positive, rows


def from_ultralytics(targets: Sequence[Tensor], gt: GroundTruth) -> Assignment:
    """The opposite; quality and class target are the positives' scores.

    Example:
        >>> from labelassign.adapters.ultralytics import from_ultralytics, to_ultralytics
        >>> from_ultralytics(to_ultralytics(a, gt, 10), gt).gt_index.equal(a.gt_index)
        True
    """
    _, _, scores, positive, rows = targets
    local = torch.where(positive.bool(), rows, -1)
    best = torch.where(positive.bool(), scores.float().amax(-1), 0.0)
    return replace(of_owners(packed_rows(list(local), gt), gt), quality=best, cls_target=best.clone())


def objects(labels: Tensor, boxes: Tensor, mask: Tensor, image_size: Sequence[int]) -> tuple[GroundTruth, Tensor]:
    """Padded objects in packed rows, the real ones first, and every row's place among its image's padded ones.

    Nothing waits for the device: all B·M rows stay, those that are not real past the last offset.
    """
    batch, most = boxes.shape[:2]
    real = mask.reshape(batch, most) > 0
    order = (~real).flatten().to(torch.uint8).argsort(stable=True)
    offsets = torch.cat([order.new_zeros(1), real.sum(1).cumsum(0)])
    sizes = torch.tensor(list(image_size), dtype=torch.float32).expand(batch, 2).to(boxes.device, non_blocking=True)
    packed = (boxes.reshape(-1, 4).float()[order], labels.reshape(-1).long()[order], offsets)
    return GroundTruth(*packed, torch.zeros_like(order, dtype=torch.bool), sizes), order % max(most, 1)
