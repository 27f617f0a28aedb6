"""Costs of every object with every query of its image: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.geometry import paired_giou
from labelassign.ops.blocks import row_blocks
from labelassign.ops.objects import usable
from labelassign.structures import rows

_AT_ONCE = 4  # coordinates that a pair holds while its L1 distance and its GIoU are worked out


def set_cost(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    image_sizes: Tensor,
    scores: Tensor,
    boxes: Tensor,
    scores_are: str,
    cls_cost: str,
    alpha: float,
    gamma: float,
    eps: float,
    cls_weight: float,
    l1_weight: float,
    giou_weight: float,
) -> tuple[Tensor, Tensor]:
    """See `labelassign.ops.hungarian`."""
    image_of, n = rows.image_of(offsets, gt_boxes.shape[0]), boxes.shape[1]
    sound = _finite(scores) & _finite(boxes)
    there = _finite(prior_boxes if prior_boxes.dim() == 3 else prior_boxes[None]) & (True if valid is None else valid)
    free = sound & there
    able = usable(gt_boxes, gt_labels, offsets, ignore, classes)
    total = _total(scores) if scores_are == "softmax_logits" else None
    # coordinate by coordinate in memory: what is worked out per coordinate then reads one after the other
    corners, label = boxes.float().permute(2, 0, 1).contiguous(), gt_labels.clamp(0, max(classes - 1, 0))
    near, target = _middles(corners), _middles(gt_boxes.T.contiguous())
    share = l1_weight / image_sizes.double().flip(-1).T.repeat(2, 1)
    cost = torch.empty(gt_boxes.shape[0], n, device=boxes.device)
    for part in row_blocks(gt_boxes.shape[0], _AT_ONCE * n):
        image = image_of[part]
        own = scores.transpose(1, 2)[image, label[part]].double()
        p = _probability(own, scores_are, None if total is None else total[:, image])
        found = (_focal(p, alpha, gamma, eps) if cls_cost == "focal" else -p).mul_(cls_weight)
        distance = near[:, image].sub_(target[:, part, None]).abs_().mul_(share[:, image, None])
        found += (distance[0] + distance[2]) + (distance[1] + distance[3])
        found -= giou_weight * paired_giou(corners[:, image].permute(1, 2, 0), gt_boxes[part, None]).double()
        cost[part] = torch.where(free[image] & able[part, None], found, torch.inf)
    return torch.where(cost < torch.inf, cost, torch.inf), (there & ~sound).sum(1)


def _finite(values: Tensor) -> Tensor:
    """Whether all numbers of the last dimension are finite: 0 times one that is not is NaN."""
    flat = values.flatten(0, 1)
    out = torch.empty(flat.shape[0], dtype=torch.bool, device=values.device)
    for part in row_blocks(*flat.shape):
        out[part] = (flat[part] * 0).sum(1) == 0
    return out.view(values.shape[:-1])


def _middles(corners: Tensor) -> Tensor:
    """(cx, cy, w, h) of corners `[4, ...]`, in float64: moving both boxes does not change their distance."""
    low, high = corners[:2].double(), corners[2:].double()
    return torch.cat([(low + high) / 2, high - low])


def _total(scores: Tensor) -> Tensor:
    """The highest logit and the sum of all exponentials below it `[2, B, N]`: what a softmax divides by."""
    flat = scores.flatten(0, 1)
    out = torch.empty(2, flat.shape[0], dtype=torch.float64, device=scores.device)
    for part in row_blocks(*flat.shape):
        top = flat[part].amax(1, keepdim=True)
        out[0, part], out[1, part] = top[:, 0], flat[part].double().sub_(top).exp_().sum(1)
    return out.view(2, *scores.shape[:2])


def _probability(score: Tensor, scores_are: str, total: Tensor | None) -> Tensor:
    if total is not None:
        return score.sub_(total[0]).exp_().div_(total[1])
    return score.sigmoid_() if scores_are == "sigmoid_logits" else score


def _focal(p: Tensor, alpha: float, gamma: float, eps: float) -> Tensor:
    """Focal loss of a class that is there, less that of one that is not."""
    miss = 1 - p
    there = miss.pow(gamma).mul_((p + eps).log_()).mul_(-alpha)
    return there.add_(p.pow(gamma).mul_((miss + eps).log_()), alpha=1 - alpha)
