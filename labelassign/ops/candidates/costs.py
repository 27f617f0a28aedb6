"""Costs of pairs."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.geometry import paired_giou, paired_iou
from labelassign.ops.blocks import row_blocks

SMALLEST = 1e-12  # probabilities are kept this far from 0 and 1, so that their logarithms are finite


def focal_terms(scores: Tensor, label: Tensor, scores_are: str, alpha: float, gamma: float) -> Tensor:
    """Focal loss against the one-hot of `label`, summed over classes `[M]`, float64; scores `[M, C]` of any float.

    Lin et al., 2017, arXiv:1708.02002, equation 5: the sum over all other classes, then the class itself.
    """
    x, column = scores.double(), label[:, None]
    if scores_are == "sigmoid_logits":
        own = x.gather(1, column)
        hit = torch.sigmoid(-own).pow(gamma) * _softplus(-own)
        miss = torch.sigmoid(x).pow_(gamma).mul_(_softplus(x))
    else:
        if scores_are == "softmax_logits":
            x = x.softmax(-1)[:, :-1]  # the last column is "no object"
        p = x.clamp(SMALLEST, 1 - SMALLEST)
        own = p.gather(1, column)
        hit = (1 - own).pow(gamma) * -torch.log(own)
        miss = p.pow(gamma) * -torch.log1p(-p)
    return (1 - alpha) * miss.scatter(1, column, 0.0).sum(1) + alpha * hit[:, 0]


def _softplus(x: Tensor) -> Tensor:
    """log(1 + exp(x)) to the last bits of float64: beyond 40 the rest is below them."""
    return torch.nn.functional.softplus(x, threshold=40)


def pair_cost(
    scores: Tensor,
    boxes: Tensor,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    image_of: Tensor,
    row: Tensor,
    prior: Tensor,
    scores_are: str,
    alpha: float,
    gamma: float,
    generalized: bool,
    iou_weight: float,
) -> tuple[Tensor, Tensor]:
    """Cost and predicted overlap of pairs (ground-truth row, prior), both `[M]` float32; see the op of this name."""
    cost = torch.empty(row.shape[0], device=scores.device)
    overlap = torch.empty_like(cost)
    classes = scores.shape[2] - (scores_are == "softmax_logits")
    for part in row_blocks(row.shape[0], scores.shape[2]):
        image, target = image_of[row[part]], gt_boxes[row[part]]
        score, box = scores[image, prior[part]], boxes[image, prior[part]].float()
        label = gt_labels[row[part]].clamp(0, classes - 1)
        iou = paired_iou(box, target)
        closeness = paired_giou(box, target) if generalized else iou
        total = focal_terms(score, label, scores_are, alpha, gamma) + iou_weight * (1 - closeness.double())
        finite = torch.isfinite(score).all(-1) & torch.isfinite(box).all(-1) & torch.isfinite(closeness)
        total = torch.where(finite, total, torch.inf).float()
        cost[part] = torch.where(torch.isfinite(total), total, torch.inf)
        overlap[part] = torch.where(finite, iou, 0.0)
    return cost, overlap
