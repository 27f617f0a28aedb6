"""Which of the closest priors an object keeps, and who wins a prior: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.geometry import paired_iou
from labelassign.ops.blocks import tame
from labelassign.ops.complete.reference import complete
from labelassign.ops.objects import usable
from labelassign.ops.resolve.reference import owners
from labelassign.ops.uniform.closest import closest, crowded
from labelassign.structures import BACKGROUND, IGNORE, Reason, rows
from labelassign.structures.targets import take_rows


def uniform(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    scores: Tensor,
    boxes: Tensor,
    times: int,
    pos_ignore: float,
    neg_ignore: float,
    last_write: bool,
    ignore_iof: float,
) -> tuple[Tensor, ...]:
    """See `labelassign.ops.uniform`."""
    image_of, images = rows.image_of(offsets, gt_boxes.shape[0]), offsets.shape[0] - 1
    able, n = usable(gt_boxes, gt_labels, offsets, ignore, classes), prior_boxes.shape[-2]
    sound = _finite(boxes) & _finite(scores)
    lost = ~sound if valid is None else ~sound & valid
    free = sound & _finite(prior_boxes) & (True if valid is None else valid)
    where = (free, gt_boxes, able, image_of, times)
    # the predictions' choices first, then the priors'
    choices = [closest(each, *where) for each in (boxes, prior_boxes)]
    prior, distance = (torch.cat(each, 1) for each in zip(*choices, strict=True))
    present = prior >= 0
    overlap = _overlap(prior_boxes, prior.clamp(min=0), image_of[:, None], gt_boxes[:, None])
    kept = present & (overlap >= pos_ignore)
    if last_write:
        index = _last(prior, kept, image_of, images, n)
    else:
        index, _ = owners(prior, kept.to(torch.int8) - (present & ~kept).to(torch.int8), distance, image_of, images, n)
    hidden = crowded(boxes, gt_boxes, able, image_of, images, neg_ignore)
    index = torch.where((index == BACKGROUND) & hidden, IGNORE, index)
    quality = torch.where(index >= 0, paired_iou(tame(prior_boxes), tame(take_rows(gt_boxes, index))), 0.0)
    short = torch.where(present.any(1), Reason.REJECTED, Reason.NO_CANDIDATE)
    reason = torch.where(kept.any(1), Reason.FINE, short).to(torch.int8)
    objects = (gt_boxes, gt_labels, offsets, ignore, classes)
    index, *weights, reason = complete(index, reason, None, prior_boxes, valid, *objects, ignore_iof)
    return index, quality, *weights, reason, lost.sum(1)


def _finite(values: Tensor) -> Tensor:
    """Whether all numbers of the last dimension are finite, without a copy of them."""
    low, high = values.aminmax(dim=-1)
    return torch.isfinite(low) & torch.isfinite(high)


def _overlap(prior_boxes: Tensor, prior: Tensor, image: Tensor, boxes: Tensor) -> Tensor:
    """Overlaps of priors `[G, K]` with objects `[G, 1, 4]`."""
    priors = tame(prior_boxes if prior_boxes.shape[-2] else prior_boxes.new_zeros(1, 4))  # any box serves, if masked
    return paired_iou(priors[prior] if priors.dim() == 2 else priors[image, prior], tame(boxes))


def _last(prior: Tensor, kept: Tensor, image_of: Tensor, images: int, priors: int) -> Tensor:
    """Owner of every prior `[B, N]` if all choices `[G, 2K]` are written one over the other: the last one stays.

    Order: rank, then predictions before priors, then row. A choice that is not kept writes IGNORE.
    """
    total, times = prior.shape[0], prior.shape[1] // 2
    rank = torch.arange(times, device=prior.device)
    order = torch.cat([2 * rank, 2 * rank + 1]) * total + torch.arange(total, device=prior.device)[:, None]
    place = torch.where(prior >= 0, image_of[:, None] * priors + prior, images * priors).flatten()
    last = torch.full((images * priors + 1,), -1, dtype=torch.int64, device=prior.device)
    last = last.scatter_reduce_(0, place, (2 * order + kept.long()).flatten(), "amax")[:-1].view(images, priors)
    index = torch.where(last % 2 == 1, (last >> 1) % max(total, 1), IGNORE)
    return torch.where(last >= 0, index, BACKGROUND)
