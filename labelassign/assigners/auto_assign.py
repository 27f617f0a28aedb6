"""AutoAssign: weights instead of assignment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from labelassign import checks
from labelassign.assigners import inputs, soft
from labelassign.geometry import centres, margin, paired_iou
from labelassign.ops.blocks import row_blocks
from labelassign.structures import GroundTruth, Predictions, Priors
from labelassign.structures.pair_weights import PairWeights


class CentrePrior(nn.Module):
    """Where in an object of each class its priors lie: a Gaussian with learned middle and width, in strides.

    The caller owns it: give its parameters to the optimiser, and it to every call of `AutoAssign`.

    Example:
        >>> {name: list(p.shape) for name, p in la.CentrePrior(80).named_parameters()}
        {'mean': [80, 2], 'sigma': [80, 2]}
    """

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.zeros(num_classes, 2))
        self.sigma = nn.Parameter(torch.ones(num_classes, 2))

    def forward(self, offset: Float[Tensor, "P 2"], label: Tensor) -> Float[Tensor, " P"]:
        """Value `[P]`, float64, of offsets from the object's centre in strides `[P, 2]`, of classes `[P]`."""
        away = (offset.double() - self.mean[label].double()).square()
        return torch.exp(-away / (2 * self.sigma[label].double().square())).prod(-1)


@dataclass(frozen=True)
class AutoAssign:
    """Every prior inside an object is its own, as much as the network finds it there and its place is a good one.

    With p = class probability (times objectness) · exp(-`iou_weight` · (1 - GIoU)), a pair weighs exp(`gain` · p) ·
    centre prior, over the sum of its object's. As background of that class, the prior counts 1 - 1 / (1 - IoU),
    min-max normalised over the object, where IoU is its best with any object. The answer has gradients: it is no
    `Assigner`, and no teacher can decide.

    Equals: mmdet 3.3.0 AutoAssignHead (tests/parity).   Differs: of two objects of one class around a prior, the lower
    background weight counts, where mmdet leaves it to the later row; predictions that are not finite are no pairs; no
    pairs for an object without priors inside (mmdet's `force_topk`).

    Source: Zhu et al., 2020, arXiv:2007.03496, sections 3.2 to 3.4.

    Arguments:
        iou_weight: see above.
        gain: see above; 0 leaves the centre prior alone.
        ignore_iof: background with at least this share in an ignored region counts 0; None leaves it.
    Empty image: no pairs, all background.   Cost: O(pairs inside objects) with gradient; on accelerators, which cannot
    count them without waiting, O(G·N).
    Raises: ValueError without strides or predictions, or for another number of classes.

    Example:
        >>> w = la.AutoAssign()(priors, gt, predictions, centre=la.CentrePrior(10))
        >>> w.per_gt_count.tolist(), w.weight.requires_grad
        ([20, 72, 26], True)
    """

    iou_weight: float = 5.0
    gain: float = 3.0
    ignore_iof: float | None = 0.5

    def __post_init__(self) -> None:
        """Check the options."""
        checks.positive("AutoAssign", "iou_weight", self.iou_weight, zero=True)
        checks.positive("AutoAssign", "gain", self.gain, zero=True)

    def __call__(
        self, priors: Priors, gt: GroundTruth, predictions: Predictions, *, centre: CentrePrior
    ) -> PairWeights:
        """Weigh all pairs of a batch; gradients go to the predictions and to `centre`."""
        inputs.check("AutoAssign", frozenset({"predictions"}), priors, gt, predictions, None, None)
        if priors.strides is None:
            checks.fail("AutoAssign", "priors with `strides`", "strides=None", "Make them with `Priors.points`.")
        classes = {"predictions": predictions.num_classes, "centre": centre.mean.shape[0]}
        checks.equal("AutoAssign", "number of classes", classes, "Make the CentrePrior for the classes of the network.")
        points = centres(priors.boxes)
        pairs = soft.listed(priors, gt, predictions, _inside(points, gt, soft.able(gt, predictions)))
        box, target = soft.both_boxes(gt, predictions, pairs)
        confidence = torch.exp(-self.iou_weight * (1 - giou(box, target)))
        p = soft.class_probability(gt, predictions, pairs) * confidence
        point = points[pairs.prior] if points.dim() == 2 else points[pairs.image, pairs.prior]
        offset = (point.double() - centres(gt.boxes)[pairs.row].double()) / priors.strides[pairs.prior, None].double()
        place = centre(offset, gt.labels[pairs.row].clamp(0, predictions.num_classes - 1))
        back = _background(gt, predictions, pairs)
        parts = (p, torch.exp(self.gain * p) * place, place)
        return soft.result(priors, gt, predictions, pairs, parts, back, self.ignore_iof)


def _inside(points: Tensor, gt: GroundTruth, able: Tensor) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """Some rows, and which priors lie in their boxes `[rows, N]`."""
    every = torch.arange(points.shape[-2], device=points.device)
    for part in row_blocks(gt.num_rows, points.shape[-2]):
        near = points[None] if points.dim() == 2 else points[gt.image_of[part]]
        inside = (margin(near, gt.boxes[part, None]) > 0) & able[part, None]
        yield part, inside, every.expand_as(inside)


@torch.no_grad()
def _background(gt: GroundTruth, predictions: Predictions, pairs: soft.Pairs) -> Tensor:
    boxes, (images, n) = predictions.boxes, predictions.boxes.shape[:2]
    best = torch.zeros(images, n, device=boxes.device)
    able = soft.able(gt, predictions)[:, None]
    for part in row_blocks(gt.num_rows, n):
        image = gt.image_of[part]
        iou = torch.where(able[part], paired_iou(boxes[image], gt.boxes[part, None]).nan_to_num(0.0), 0.0)
        best.scatter_reduce_(0, image[:, None].expand_as(iou), iou, "amax")
    away = 1 / (1 - best[pairs.image, pairs.prior].double()).clamp(min=soft.TINY)
    group = torch.where(pairs.there, pairs.row, gt.num_rows)
    ends = [away.new_full((gt.num_rows + 1,), end) for end in (torch.inf, -torch.inf)]
    low, high = (t.scatter_reduce(0, group, away, by)[group] for t, by in zip(ends, ("amin", "amax"), strict=True))
    share = 1 - (away - low + soft.TINY) / (high - low + soft.TINY)
    classes = predictions.num_classes
    flat = torch.ones(images * n * classes + 1, device=boxes.device)
    place = (pairs.image * n + pairs.prior) * classes + gt.labels[pairs.row].clamp(0, max(classes - 1, 0))
    place = torch.where(pairs.there, place, flat.shape[0] - 1)
    return flat.scatter_reduce_(0, place, share.float(), "amin")[:-1].view(images, n, classes)


def giou(a: Tensor, b: Tensor) -> Tensor:
    """Generalised IoU of boxes `[P, 4]` in their own precision, with gradient."""
    low, high = torch.maximum(a[:, :2], b[:, :2]), torch.minimum(a[:, 2:], b[:, 2:])
    inner = (high - low).clamp(min=0).prod(-1)
    union = sum((t[:, 2:] - t[:, :2]).clamp(min=0).prod(-1) for t in (a, b)) - inner
    hull = (torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])).prod(-1)
    return inner / union.clamp(min=soft.TINY) - (hull - union) / hull.clamp(min=soft.TINY)
