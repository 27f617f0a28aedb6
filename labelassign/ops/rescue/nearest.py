"""Which priors a needy object would take, in which order: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.geometry import centres
from labelassign.ops.blocks import LOW32, falling, pack, row_blocks, selected, tame
from labelassign.ops.match.reference import overlaps

NEVER = torch.iinfo(torch.int64).max


def nearest(
    prior_boxes: Tensor,
    strides: Tensor | None,
    free: Tensor,
    gt_boxes: Tensor,
    needy: Tensor,
    image_of: Tensor,
    listed: int,
) -> tuple[Tensor, Tensor]:
    """Of each needy row the `listed` first free priors `[G, K]` (-1: fewer), and their overlaps with it `[G, K]`.

    Order: higher overlap, then nearer centre in strides (pixels without), then lower prior. free `[B, N]`.
    """
    total, n = needy.shape[0], prior_boxes.shape[-2]
    prior = torch.full((total, listed), -1, dtype=torch.int64, device=needy.device)
    overlap = torch.zeros(total, listed, device=needy.device)
    boxes, objects = tame(prior_boxes), tame(gt_boxes)
    (x, y), (mid_x, mid_y) = ([t.contiguous() for t in centres(b).double().unbind(-1)] for b in (boxes, objects))
    cell = None if strides is None else strides.double().square()
    rows = selected(needy)
    for part in row_blocks(rows.shape[0], n) if n else ():
        row = rows[part]
        image = image_of[row]
        at = slice(None) if boxes.dim() == 2 else image
        iou = overlaps(boxes, None, objects[row], image)
        across, down = x[at] - mid_x[row, None], y[at] - mid_y[row, None]
        away = (across.mul_(across)).add_(down.mul_(down))
        away = away if cell is None else away.div_(cell)
        able = free[image] & needy[row, None] & torch.isfinite(away)
        rank = falling(torch.where(able, iou, 0.0))
        key = torch.where(able, pack(rank, away.float().view(torch.int32).long()), NEVER)
        found, first = _first(key, min(listed, n))
        there, width = first < NEVER, found.shape[1]
        prior[row, :width] = torch.where(there, found, -1)
        overlap[row, :width] = torch.where(there, iou.gather(1, found), 0.0)
    return prior, overlap


def _first(key: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` lowest keys of each row in order, the lower place first among equal ones: places and keys."""
    last = key.topk(count, largest=False).values[:, -1:]
    # equal keys are common on grids, and topk would take any of them
    index = torch.arange(key.shape[1], device=key.device)
    tier = torch.where(key < last, index, torch.where(key == last, index | (LOW32 + 1), NEVER))
    place = (tier.topk(count, largest=False).values & LOW32).sort(1).values
    found, order = key.gather(1, place).sort(dim=1, stable=True)
    return place.gather(1, order), found
