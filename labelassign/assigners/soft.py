"""What methods with soft weights share: which pairs there are, and what the network says of them.

float64 inside, plain PyTorch throughout: a loss goes back through all of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from labelassign.ops.blocks import selected
from labelassign.ops.complete.cover import cover
from labelassign.ops.objects import objects, usable
from labelassign.structures import GroundTruth, Predictions, Priors
from labelassign.structures.pair_weights import PairWeights, summed

TINY = 1e-12


class Pairs(NamedTuple):
    """Row, prior and image of pairs `[P]`; `there`: whether it is one."""

    row: Tensor
    prior: Tensor
    image: Tensor
    there: Tensor


def listed(
    priors: Priors, gt: GroundTruth, predictions: Predictions, blocks: Iterable[tuple[slice, Tensor, Tensor]]
) -> Pairs:
    """The pairs of masks `[rows, K]` with priors `[rows, K]` of some rows each, of which the prediction is finite."""
    found = [_of_block(*block) for block in blocks] or [(gt.labels[:0], gt.labels[:0], gt.ignore[:0])]
    row, prior, there = (torch.cat(each) for each in zip(*found, strict=True))
    image = gt.image_of[row]
    there = there & torch.isfinite(predictions.boxes[image, prior]).all(-1)
    there = there & torch.isfinite(predictions.scores[image, prior]).all(-1)
    if predictions.objectness is not None:
        there = there & torch.isfinite(predictions.objectness[image, prior])
    if priors.valid is not None:
        there = there & priors.valid[image, prior]
    return Pairs(row, prior, image, there)


def _of_block(part: slice, mask: Tensor, prior: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    place = selected(mask.flatten())
    return place // max(mask.shape[1], 1) + part.start, prior.flatten()[place], mask.flatten()[place]


def able(gt: GroundTruth, predictions: Predictions) -> Tensor:
    """Rows that may have pairs `[G]`."""
    return usable(*objects(gt, predictions))


def class_probability(gt: GroundTruth, predictions: Predictions, pairs: Pairs) -> Tensor:
    """Of each pair's class, times objectness if there is one `[P]`, float64; 0.5 for what is no pair."""
    label = gt.labels[pairs.row].clamp(0, predictions.num_classes - 1)
    scores = predictions.scores[pairs.image, pairs.prior].double()
    scores = torch.where(pairs.there[:, None], scores, 0.0)
    p = _probability(scores, predictions.scores_are).gather(1, label[:, None])[:, 0]
    if predictions.objectness is None:
        return p
    there = predictions.objectness[pairs.image, pairs.prior].double()
    kind = "probs" if predictions.scores_are == "probs" else "sigmoid_logits"
    return p * _probability(torch.where(pairs.there, there, 0.0), kind)


def _probability(scores: Tensor, scores_are: str) -> Tensor:
    if scores_are == "softmax_logits":
        return scores.softmax(-1)
    return scores.sigmoid() if scores_are == "sigmoid_logits" else scores


def both_boxes(gt: GroundTruth, predictions: Predictions, pairs: Pairs) -> tuple[Tensor, Tensor]:
    """Predicted box and object of each pair `[P, 4]`, float64; the object twice for what is no pair."""
    target = gt.boxes[pairs.row].double()
    return torch.where(pairs.there[:, None], predictions.boxes[pairs.image, pairs.prior].double(), target), target


def result(
    priors: Priors,
    gt: GroundTruth,
    predictions: Predictions,
    pairs: Pairs,
    parts: tuple[Tensor, Tensor, Tensor],
    background: Tensor,
    ignore_iof: float | None,
) -> PairWeights:
    """From probability, weight before it is normalised and place `[P]`, and background `[B, N, C]`."""
    row = torch.where(pairs.there, pairs.row, -1)
    probability, weight, place = (torch.where(pairs.there, part, 0.0) for part in parts)
    total = summed(weight, row, gt.num_rows).clamp(min=TINY)
    weight = weight / total[pairs.row]
    kept = taking_part(priors, gt, ignore_iof)
    dtype = torch.promote_types(predictions.scores.dtype, torch.float32)
    shares = (probability.to(dtype), weight.to(dtype), place.to(dtype))
    return PairWeights(row, pairs.prior, *shares, background * kept[..., None], gt.offsets.clone(), gt.num_rows)


@torch.no_grad()
def taking_part(priors: Priors, gt: GroundTruth, ignore_iof: float | None) -> Tensor:
    """Priors that are valid and in no ignored region `[B, N]`."""
    kept = torch.ones(gt.num_images, priors.count, dtype=torch.bool, device=gt.boxes.device)
    kept = kept if priors.valid is None else priors.valid
    if ignore_iof is None or not gt.num_rows:
        return kept
    active = gt.ignore & gt.in_use & gt.well_formed()
    return kept & ~cover(priors.boxes, gt.boxes, active, gt.image_of, gt.num_images, ignore_iof)
