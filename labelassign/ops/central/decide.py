"""Which of its cheapest priors an object keeps, and what an owner is worth beside the object's best."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.geometry import centres
from labelassign.ops.central.scene import Region


def among_the_cheapest(best_iou: Tensor, topk: int) -> Tensor:
    """Whether each of `topk` choices is kept `[..., topk]`: as many as the best overlaps sum up to, one at least."""
    k = best_iou.double().sum(-1, keepdim=True).floor().clamp(min=1)
    return torch.arange(topk, device=best_iou.device) < k


def lies_inside(region: Region, prior_boxes: Tensor, gt_boxes: Tensor, image_of: Tensor, prior: Tensor) -> Tensor:
    """Whether the centres of every object's choices `[G, L, K]` lie in its box; prior -1: of no matter."""
    points, safe = centres(prior_boxes), prior.clamp(min=0)
    point = points[safe] if points.dim() == 2 else points[image_of[:, None, None], safe]
    return region.parts(point, gt_boxes[:, None, None], None)[0]


def share_of_best(cost: Tensor, iou: Tensor, gt_index: Tensor, rows: int, eps: float) -> Tensor:
    """exp(-cost) over the highest of the object's priors, times its highest overlap `[B, N]` float32.

    `eps` is added to that highest one below the fraction.
    """
    row = torch.where(gt_index >= 0, gt_index, rows).flatten()
    least = torch.full((rows + 1,), torch.inf, device=cost.device).scatter_reduce(0, row, cost.flatten(), "amin")
    most = torch.zeros(rows + 1, device=cost.device).scatter_reduce(0, row, iou.flatten(), "amax")
    # without the powers of small numbers, which would vanish
    first = least[row].view_as(cost).double()
    behind = torch.where(torch.isfinite(first), (cost.double() - first).clamp(min=0), torch.inf)
    share = torch.exp(-behind) / (1 + eps * torch.exp(first) if eps else 1.0)
    return (share * most[row].view_as(cost)).float()
