"""Best overlaps of priors and ground truths, and who claims a prior for a needy object: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.geometry import is_rotated, paired_iou, pairwise_iou
from labelassign.ops.blocks import LOW32, pack, row_blocks, selected, tame, unpack
from labelassign.ops.near import among_near

RESCUE_OFF, RESCUE_HIGHEST, RESCUE_LAST = 0, 1, 2


def overlaps(boxes: Tensor, valid: Tensor | None, gt_boxes: Tensor, image_of: Tensor) -> Tensor:
    """IoU of some rows with all priors of their image `[rows, N]`; -1 for invalid priors."""
    boxes = boxes if boxes.dim() == 2 else boxes[image_of]
    if is_rotated(gt_boxes) or is_rotated(boxes):
        iou = among_near(paired_iou, boxes, gt_boxes)
    else:
        iou = pairwise_iou(gt_boxes[:, None, :], boxes)[:, 0]
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
    priors, objects, device = tame(prior_boxes), tame(gt_boxes), gt_boxes.device
    # maxima over packed keys: the highest overlap, then the lowest row; rows that may own nothing go to a spare image
    low = LOW32 - torch.arange(rows, device=device)[:, None]
    home = torch.where(usable, image_of, images)[:, None]
    key = torch.full((images + 1, n), -1, dtype=torch.int64, device=device)
    claim = torch.full(((images + 1) * n,), -1, dtype=torch.int64, device=device)
    best = torch.zeros(rows, device=device)
    for part in row_blocks(rows, n) if n else ():
        iou = overlaps(priors, valid, objects[part], image_of[part])
        best[part] = highest = iou.amax(1).clamp(min=0)
        packed = pack(iou.clamp(min=0) if valid is not None else iou, low[part])
        key.scatter_reduce_(0, home[part].expand(-1, n), packed, "amax")
        if rescue == RESCUE_OFF:
            continue
        # a needy object claims the priors where its overlap equals its best one (or only the first of them)
        needy = (highest >= min_iou) & ((highest > 0) | zero_rescues)
        wanted = iou == torch.where(needy, highest, 2.0)[:, None]
        if not all_ties:
            wanted &= torch.arange(n, device=device) == iou.argmax(1, keepdim=True)
        place = selected(wanted.flatten())
        row, prior = place // n, place % n
        bid = packed.flatten()[place] if rescue == RESCUE_HIGHEST else row + part.start
        bid = torch.where(wanted.flatten()[place], bid, -1)
        claim.scatter_reduce_(0, home[part][row, 0] * n + prior, bid, "amax")
    iou, row = unpack(key[:images])
    found = (key[:images] >= 0) if valid is None else (key[:images] >= 0) & valid
    claim = claim.view(images + 1, n)[:images]
    owner = torch.where(claim >= 0, LOW32 - unpack(claim)[1], -1) if rescue == RESCUE_HIGHEST else claim.clone()
    return torch.where(found, iou, 0.0), torch.where(found, LOW32 - row, -1), best, owner


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
    priors, objects = tame(prior_boxes), tame(gt_boxes)
    out = torch.zeros(rows, n, dtype=torch.bool, device=gt_boxes.device)
    for part in row_blocks(rows, n) if n else ():
        iou = overlaps(priors, valid, objects[part], image_of[part])
        inside = iou >= threshold
        if rescue != RESCUE_OFF:
            best = iou.amax(1, keepdim=True)
            inside = inside | ((iou == best) & ((best > 0) | (zero_rescues & (best == 0))))
        out[part] = inside & usable[part, None]
    return out
