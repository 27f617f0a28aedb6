"""Overlaps, centres and inside tests of boxes; upright ones in float32 with a fixed order of operations.

Every path computes an overlap of upright boxes by these very steps, so decisions that compare overlaps are equal bit
for bit everywhere (and equal to torchvision's `box_iou`). A union of zero area gives overlap 0. Where boxes may be
rotated, the width of the last axis says so; an upright box beside a rotated one has angle 0.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from labelassign.geometry.rotated import Boxes, Paired, is_rotated, rotated_margin
from labelassign.geometry.rotated_overlaps import rotated_iou, share_of

_SMALL = 1e-12


def _sides(lo: Tensor, hi: Tensor) -> Tensor:
    return (hi - lo).clamp(min=0)


def area(boxes: Boxes) -> Float[Tensor, "*n"]:
    """Width times height, as given: negative for one pair of corners out of order (or one negative side)."""
    boxes = boxes.float()
    if is_rotated(boxes):
        return boxes[..., 2] * boxes[..., 3]
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _intersection(a: Tensor, b: Tensor) -> Tensor:
    width = _sides(torch.maximum(a[..., 0], b[..., 0]), torch.minimum(a[..., 2], b[..., 2]))
    height = _sides(torch.maximum(a[..., 1], b[..., 1]), torch.minimum(a[..., 3], b[..., 3]))
    return width * height


def _ratio(part: Tensor, whole: Tensor) -> Tensor:
    return part / whole.clamp(min=torch.finfo(torch.float32).tiny)  # 0 / 0 is 0, a NaN stays one


def paired_iou(a: Paired, b: Paired) -> Float[Tensor, "..."]:
    """Intersection over union of boxes at the same place of `a` and `b`; NaN where a box has one.

    Upright or rotated: where either is, this is `rotated_iou`.

    Example:
        >>> la.geometry.paired_iou(torch.tensor([0.0, 0, 2, 2]), torch.tensor([1.0, 0, 3, 2]))
        tensor(0.3333)
    """
    if is_rotated(a) or is_rotated(b):
        return rotated_iou(a, b)
    a, b = a.float(), b.float()
    inner = _intersection(a, b)
    return _ratio(inner, area(a) + area(b) - inner)


def pairwise_iou(a: Float[Tensor, "*#n N D"], b: Float[Tensor, "*#n M E"]) -> Float[Tensor, "*n N M"]:
    """`paired_iou` of every box of `a` with every box of `b`."""
    return paired_iou(a[..., :, None, :], b[..., None, :, :])


def paired_giou(a: Float[Tensor, "*#n 4"], b: Float[Tensor, "*#n 4"]) -> Float[Tensor, "..."]:
    """Generalised IoU (Rezatofighi et al., 2019) of boxes at the same place; in -1..1, NaN where a box has one.

    A box with corners out of order has no area here: by the formula, one turned over twice could score above 1.
    """
    a, b = a.float(), b.float()
    inner = _intersection(a, b)
    union = _sides(a[..., 0], a[..., 2]) * _sides(a[..., 1], a[..., 3])
    union = union + _sides(b[..., 0], b[..., 2]) * _sides(b[..., 1], b[..., 3]) - inner
    low, high = torch.minimum(a[..., :2], b[..., :2]), torch.maximum(a[..., 2:], b[..., 2:])
    hull = (high[..., 0] - low[..., 0]) * (high[..., 1] - low[..., 1])
    return (_ratio(inner, union) - _ratio(hull - union, hull)).clamp(-1, 1)


def paired_ciou(a: Float[Tensor, "*#n 4"], b: Float[Tensor, "*#n 4"]) -> Float[Tensor, "..."]:
    """Complete IoU (Zheng et al., 2020) of boxes at the same place: IoU less distance of centres and of proportions.

    In -2..1, float64 inside and rounded once (it has an arctangent); NaN where a box has one.
    """
    a, b = a.double(), b.double()
    inner = _intersection(a, b)
    (wide, high), (other_wide, other_high) = (_sides(t[..., :2], t[..., 2:]).unbind(-1) for t in (a, b))
    whole = wide * high + other_wide * other_high - inner
    iou = inner / whole.clamp(min=_SMALL)
    low, up = torch.minimum(a[..., :2], b[..., :2]), torch.maximum(a[..., 2:], b[..., 2:])
    diagonal = (up - low).square().sum(-1)
    apart = ((a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]) / 2).square().sum(-1)
    shape = (torch.atan2(wide, high) - torch.atan2(other_wide, other_high)).square() * (4 / math.pi**2)
    share = shape / (shape - iou + 1).clamp(min=_SMALL)
    return (iou - apart / diagonal.clamp(min=_SMALL) - share * shape).float()


def covered(boxes: Paired, regions: Paired) -> Float[Tensor, "..."]:
    """Share of the area of `boxes` inside `regions`; for a box without area 1 or 0: its centre is inside or not."""
    boxes, regions = boxes.float(), regions.float()
    within = inside(centres(boxes), regions)
    if is_rotated(boxes) or is_rotated(regions):
        share, size = share_of(boxes, regions)
        return torch.where(size > 0, share, within.double()).float()
    size = area(boxes)
    return torch.where(size > 0, _intersection(boxes, regions) / size, within.float())


def centres(boxes: Boxes) -> Float[Tensor, "*n 2"]:
    """(x, y) of the middle."""
    boxes = boxes.float()
    return boxes[..., :2].clone() if is_rotated(boxes) else (boxes[..., :2] + boxes[..., 2:]) / 2


def margin(points: Float[Tensor, "*#n 2"], boxes: Paired) -> Float[Tensor, "..."]:
    """Distance of a point from the nearest side of a box in pixels, negative outside."""
    if is_rotated(boxes):
        return rotated_margin(points, boxes)
    boxes = boxes.float()
    return torch.minimum((points - boxes[..., :2]).amin(-1), (boxes[..., 2:] - points).amin(-1))


def inside(points: Float[Tensor, "*#n 2"], boxes: Paired) -> Bool[Tensor, "..."]:
    """Whether a point lies in a box, its sides included."""
    return margin(points, boxes) >= 0
