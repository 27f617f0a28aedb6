"""What a pair of an object and a prior costs: three methods, none of which needs a class twice.

Everything that a cost sums over classes depends on the prior alone, but for the object's own class: so the sum is taken
once for each prior, and a pair corrects it. float64 inside, rounded once.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from labelassign.geometry import centres, paired_ciou, paired_giou, paired_iou, prob_iou
from labelassign.ops.blocks import row_blocks, selected
from labelassign.ops.central.scene import Where
from labelassign.ops.central.scores import joined, logs

OVERLAPS = {"iou": paired_iou, "giou": paired_giou, "ciou": paired_ciou, "prob_iou": prob_iou}
LOWEST = -100.0  # of a logarithm in binary cross-entropy, as everywhere


class Network(NamedTuple):
    """What one network predicts: scores `[B, N, C]`, boxes `[B, N, 4]`, objectness `[B, N]` or None."""

    scores: Tensor
    boxes: Tensor
    objectness: Tensor | None


class Rule(NamedTuple):
    """cost: "aligned" (weights: alpha, beta), "simota" (class, overlap, eps) or "soft" (overlap, radius, eps).

    overlap: "iou", "prob_iou", or of upright boxes "giou" or "ciou"; what is below 0 counts as 0.
    """

    cost: str
    weights: list[float]
    overlap: str
    scores_are: str


class Seen(NamedTuple):
    """Of every prior `[B·N]`, whoever asks.

    total: the sum over all classes as if none were the object's; shift: what a softmax divides by; sound: whether all
    that is predicted is finite.
    """

    total: Tensor
    shift: Tensor
    sound: Tensor


def look(network: Network, rule: Rule, wanted: Tensor) -> Seen:
    """What the priors of a mask `[B·N]` say whoever asks."""
    scores, boxes = network.scores.flatten(0, 1), network.boxes.flatten(0, 1)
    places = scores.shape[0]
    total = torch.zeros(places, dtype=torch.float64, device=scores.device)
    shift, sound = torch.zeros_like(total), torch.zeros_like(wanted)
    chosen = selected(wanted)
    for part in row_blocks(chosen.shape[0], scores.shape[1]):
        place = chosen[part]
        raw = scores[place]
        x = raw.double()
        fine = torch.isfinite(raw).all(1) & torch.isfinite(boxes[place]).all(1)
        if rule.scores_are == "softmax_logits":
            shift[place] = by = x.logsumexp(1)
            x = x[:, :-1]
        else:
            by = shift[place]
        if network.objectness is not None:
            fine &= torch.isfinite(network.objectness.flatten()[place])
        sound[place] = fine
        if rule.cost == "aligned":
            continue
        log, rest = logs(x, by[:, None], rule.scores_are)
        total[place] = _missed(*joined(log, rest, _log_objectness(network, place, rule, 1)), rule).sum(1)
    return Seen(total, shift, sound)


def _log_objectness(network: Network, place: Tensor, rule: Rule, axes: int = 0) -> Tensor | None:
    if network.objectness is None or rule.cost != "simota":
        return None
    x = network.objectness.flatten()[place].double()
    log = x.clamp(0, 1).log() if rule.scores_are == "probs" else -torch.nn.functional.softplus(-x, threshold=40)
    return log[:, None] if axes else log


def _missed(log: Tensor, rest: Tensor, rule: Rule) -> Tensor:
    """What a class that is not the object's adds."""
    rest = rest.clamp(min=LOWEST)
    return -rest if rule.cost == "simota" else -rest * log.exp().square()


def pair_costs(
    where: Where, network: Network, rule: Rule, seen: Seen, row: Tensor, prior: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Cost without any penalty for place (float64), the penalty of the soft centre, and the overlap of pairs `[M]`."""
    n = where.prior_boxes.shape[-2]
    image = where.image_of[row]
    place = image * n + prior
    classes = network.scores.shape[2] - (rule.scores_are == "softmax_logits")
    label = where.gt_labels[row].clamp(0, classes - 1)
    log, rest = logs(network.scores[image, prior, label].double(), seen.shift[place], rule.scores_are)
    target = where.gt_boxes[row]
    u = OVERLAPS[rule.overlap](network.boxes[image, prior], target).clamp(min=0)
    away = torch.zeros_like(log)
    if rule.cost == "aligned":
        alpha, beta = rule.weights
        cost = _power(log, alpha) + _power(u.double().log(), beta)
    elif rule.cost == "simota":
        by_class, by_overlap, eps = rule.weights
        log, rest = joined(log, rest, _log_objectness(network, place, rule))
        own = seen.total[place] - _missed(log, rest, rule) - log.clamp(min=LOWEST)
        cost = by_class * own - by_overlap * torch.log(u.double() + eps)
    else:
        by_overlap, radius, eps = rule.weights
        p, y = log.exp(), u.double()
        entropy = -(y * log.clamp(min=LOWEST) + (1 - y) * rest.clamp(min=LOWEST))
        own = seen.total[place] - _missed(log, rest, rule) + entropy * (y - p).square()
        cost = own - by_overlap * torch.log(y + eps)
        away = _soft_centre(where, row, prior, image, radius)
    fine = seen.sound[place] & torch.isfinite(u)
    cost = torch.where(fine, cost.clamp(min=0), torch.inf)
    return cost, torch.where(torch.isfinite(away), away, torch.inf), torch.where(fine, u, 0.0)


def _power(log: Tensor, exponent: float) -> Tensor:
    """-log of a power; an exponent of 0 leaves nothing of a factor, even of 0."""
    return -exponent * log if exponent else torch.zeros_like(log)


def _soft_centre(where: Where, row: Tensor, prior: Tensor, image: Tensor, radius: float) -> Tensor:
    assert where.strides is not None
    boxes = where.prior_boxes
    point = centres(boxes[prior] if boxes.dim() == 2 else boxes[image, prior])
    off = (point - centres(where.gt_boxes[row])).double()
    return torch.pow(10.0, off.square().sum(1).sqrt() / where.strides[prior] - radius)
