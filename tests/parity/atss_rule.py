"""ATSS written out from the paper (Zhang et al., 2020, arXiv:1912.02424, algorithm 1), one object at a time.

Takes the candidates as given, so that the order of equally near priors is the caller's.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import box_iou

ROUNDING = 4 * torch.finfo(torch.float32).eps  # of a mean and a deviation of at most 1, summed in float32


def centre_distances(priors: Tensor, box: Tensor, *, squared: bool) -> Tensor:
    """Distance of all priors' centres from the box's, float32 `[N]`."""
    middle = [(each[..., :2] + each[..., 2:]) / 2 for each in (priors, box)]
    square = (middle[0] - middle[1]).square().sum(-1)
    return square if squared else square.sqrt()


def nearest(priors: Tensor, levels: tuple[int, ...], box: Tensor, topk: int) -> Tensor:
    """The `topk` nearest of each level; of equally near ones the lower index."""
    chosen, begin = [], 0
    for size in levels:
        distance = centre_distances(priors[begin : begin + size], box, squared=True)
        chosen.append(begin + distance.argsort(stable=True)[: min(topk, size)])
        begin += size
    return torch.cat(chosen)


def threshold(iou: Tensor) -> Tensor:
    """Mean plus unbiased deviation in float64, rounded once; NaN for a single candidate."""
    value = iou.double()
    return (value.mean() + value.std()).float() if len(iou) > 1 else torch.tensor(torch.nan)


def assign(priors: Tensor, boxes: Tensor, candidates: list[Tensor]) -> tuple[Tensor, Tensor]:
    """The row that owns each prior `[N]`, -1 for none; and the priors that rounding of a threshold may flip."""
    index, won = torch.full((len(priors),), -1), torch.full((len(priors),), -1.0)
    unsure = torch.zeros(len(priors), dtype=torch.bool)
    middle = (priors[:, :2] + priors[:, 2:]) / 2
    for row, (box, near) in enumerate(zip(boxes, candidates, strict=True)):
        iou = box_iou(priors[near], box[None])[:, 0]
        least = threshold(iou)
        sides = torch.cat([middle[near] - box[:2], box[2:] - middle[near]], 1)
        inside = sides.min(1).values > 0.01
        unsure[near[inside & ((iou - least).abs() <= ROUNDING)]] = True
        for prior, overlap in zip(near[inside & (iou >= least)], iou[inside & (iou >= least)], strict=True):
            if overlap > won[prior]:  # of equal overlaps the lower row keeps it
                index[prior], won[prior] = row, overlap
    return index, unsure
