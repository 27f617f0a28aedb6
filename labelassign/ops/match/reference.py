"""Best overlaps of priors and ground truths, and who claims a prior for a needy object: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.geometry import pairwise_iou
from labelassign.ops.blocks import pack, row_blocks

RESCUE_OFF, RESCUE_HIGHEST, RESCUE_LAST = 0, 1, 2
_LOW32 = 0xFFFFFFFF


def overlaps(prior_boxes: Tensor, valid: Tensor | None, gt_boxes: Tensor, image_of: Tensor) -> Tensor:
    """IoU of some rows with all priors of their image `[rows, N]`; 0 for pairs with NaN, -1 for invalid priors."""
    boxes = prior_boxes if prior_boxes.dim() == 2 else prior_boxes[image_of]
    iou = pairwise_iou(gt_boxes[:, None, :], boxes)[:, 0].nan_to_num(nan=0.0)
    return iou if valid is None else torch.where(valid[image_of], iou, -1.0)


def match(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    usable: Tensor,
    image_of: Tensor,
    images: int,
    rescue: int,
    min_iou: float,
    zero_rescues: bool,
    all_ties: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """See `labelassign.ops.match`."""
    rows, n = gt_boxes.shape[0], prior_boxes.shape[-2]
    device = gt_boxes.device
    index = torch.arange(rows, device=device)
    # the highest overlap, then the lowest row: one maximum over packed keys; 0 stands for no row at all
    key = torch.zeros(images, n, dtype=torch.int64, device=device)
    best = torch.zeros(rows, device=device)
    first = torch.zeros(rows, dtype=torch.int64, device=device)
    for part in row_blocks(rows, n) if n else ():
        iou = overlaps(prior_boxes, valid, gt_boxes[part], image_of[part])
        best[part], first[part] = iou.clamp(min=0).amax(1), iou.argmax(1)
        packed = pack(iou.clamp(min=0), _LOW32 - index[part, None]) + 1
        packed = torch.where(usable[part, None] & (iou >= 0), packed, 0)
        key.scatter_reduce_(0, image_of[part, None].expand(-1, n), packed, "amax")
    found = key > 0
    key = key - 1
    iou = torch.where(found, (key >> 32).to(torch.int32).view(torch.float32), 0.0)
    row = torch.where(found, _LOW32 - (key & _LOW32), -1)
    if rescue == RESCUE_OFF:
        return iou, row, best, torch.full_like(row, -1)
    # a needy object's best priors: where its overlap equals its best one (or only the first of them)
    needy = usable & (best >= min_iou) & ((best > 0) | zero_rescues)
    claim = torch.zeros(images, n, dtype=torch.int64, device=device)
    for part in row_blocks(rows, n) if n else ():
        iou_again = overlaps(prior_boxes, valid, gt_boxes[part], image_of[part])
        wanted = (iou_again == best[part, None]) & needy[part, None]
        if not all_ties:
            wanted = wanted & (torch.arange(n, device=device) == first[part, None])
        if rescue == RESCUE_HIGHEST:
            packed = pack(iou_again.clamp(min=0), _LOW32 - index[part, None]) + 1
        else:
            packed = (index[part, None] + 1).expand(-1, n)
        packed = torch.where(wanted, packed, 0)
        claim.scatter_reduce_(0, image_of[part, None].expand(-1, n), packed, "amax")
    owner = _LOW32 - ((claim - 1) & _LOW32) if rescue == RESCUE_HIGHEST else claim - 1
    return iou, row, best, torch.where(claim > 0, owner, -1)


def members(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    usable: Tensor,
    image_of: Tensor,
    threshold: float,
    rescue: int,
    zero_rescues: bool,
) -> Tensor:
    """`[G, N]`: overlap at least `threshold`, or equal to the ground truth's best one (if there is a rescue)."""
    rows, n = gt_boxes.shape[0], prior_boxes.shape[-2]
    out = torch.zeros(rows, n, dtype=torch.bool, device=gt_boxes.device)
    for part in row_blocks(rows, n) if n else ():
        iou = overlaps(prior_boxes, valid, gt_boxes[part], image_of[part])
        inside = iou >= threshold
        if rescue != RESCUE_OFF:
            best = iou.amax(1, keepdim=True)
            inside = inside | ((iou == best) & ((best > 0) | (zero_rescues & (best == 0))))
        out[part] = inside & usable[part, None]
    return out
