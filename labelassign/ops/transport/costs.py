"""What a pair of an object and a prior costs, and how much more that is than leaving the prior to the background.

The focal loss of a pair differs from that of the background in the object's own class alone. So the sum over classes is
taken once for each prior, and a pair corrects it. float64 inside, rounded once.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from labelassign.geometry import paired_iou
from labelassign.ops.blocks import row_blocks, selected
from labelassign.ops.central.scores import logs

COST = "Tensor scores, Tensor boxes, str scores_are, float alpha, float gamma, float iou_weight, float eps"
_LOWEST = -1e4  # of a logarithm: a class of probability 0 costs much, and a sum of such costs is a number


class Network(NamedTuple):
    """Scores `[B, N, C]` and boxes `[B, N, 4]` of one network, and what a pair costs."""

    scores: Tensor
    boxes: Tensor
    scores_are: str
    alpha: float
    gamma: float
    iou_weight: float
    eps: float

    @property
    def classes(self) -> int:
        """Those that an object can have."""
        return self.scores.shape[2] - (self.scores_are == "softmax_logits")


class Background(NamedTuple):
    """Of every prior `[B·N]`: its focal loss without any class, what a softmax divides by, whether it is finite."""

    cost: Tensor
    shift: Tensor
    sound: Tensor


def background(network: Network, wanted: Tensor) -> Background:
    """Of the priors of a mask `[B·N]`; 0 and False elsewhere."""
    scores, boxes = network.scores.flatten(0, 1), network.boxes.flatten(0, 1)
    cost = torch.zeros(scores.shape[0], dtype=torch.float64, device=scores.device)
    shift, sound = torch.zeros_like(cost), torch.zeros_like(wanted)
    chosen = selected(wanted)
    for part in row_blocks(chosen.shape[0], scores.shape[1]):
        place = chosen[part]
        raw = scores[place]
        x = raw.double()
        if network.scores_are == "softmax_logits":
            shift[place] = x.logsumexp(1)
            x = x[:, :-1]
        _, miss = _focal(x, shift[place][:, None], network)
        cost[place] = miss.sum(1)
        sound[place] = torch.isfinite(raw).all(1) & torch.isfinite(boxes[place]).all(1)
    return Background(cost, shift, sound)


def pair_costs(
    network: Network, seen: Background, image: Tensor, prior: Tensor, target: Tensor, label: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Cost (float64), overlap (float32) and excess over background (float64) of pairs `[M]`; +inf, 0 if not finite."""
    place = image * network.boxes.shape[1] + prior
    own = network.scores[image, prior, label.clamp(0, max(network.classes - 1, 0))].double()
    hit, miss = _focal(own, seen.shift[place], network)
    iou = paired_iou(network.boxes[image, prior], target)
    excess = hit - miss - network.iou_weight * iou.double().clamp(min=network.eps).log()
    fine = seen.sound[place] & torch.isfinite(iou)
    cost = (seen.cost[place] + excess).clamp(min=0)
    return torch.where(fine, cost, torch.inf), torch.where(fine, iou, 0.0), torch.where(fine, excess, torch.inf)


def pairs(
    row: Tensor, prior: Tensor, image_of: Tensor, gt_boxes: Tensor, gt_labels: Tensor, network: Network
) -> tuple[Tensor, Tensor, Tensor]:
    """See `labelassign.ops.transport.transport_pairs`."""
    there, safe = row >= 0, row.clamp(min=0)
    images, n = network.boxes.shape[:2]
    place = torch.where(there, image_of[safe] * n + prior, images * n)
    wanted = torch.zeros(images * n + 1, dtype=torch.bool, device=row.device).scatter_(0, place, there)[:-1]
    seen = background(network, wanted)
    found = pair_costs(network, seen, image_of[safe], prior, gt_boxes[safe], gt_labels[safe])
    cost, iou, excess = (
        torch.where(there, t, none) for t, none in zip(found, (torch.inf, 0.0, torch.inf), strict=True)
    )
    return rounded(cost), iou, excess


def rounded(cost: Tensor) -> Tensor:
    """float32, +inf beyond it."""
    cost = cost.float()
    return torch.where(torch.isfinite(cost), cost, torch.inf)


def _focal(x: Tensor, shift: Tensor, network: Network) -> tuple[Tensor, Tensor]:
    """Focal loss (Lin et al., 2017, arXiv:1708.02002, equation 5) of a class that is there, and of one that is not."""
    log, rest = (t.clamp(min=_LOWEST) for t in logs(x, shift, network.scores_are))
    hit = -network.alpha * rest.exp().pow(network.gamma) * log
    return hit, -(1 - network.alpha) * log.exp().pow(network.gamma) * rest
