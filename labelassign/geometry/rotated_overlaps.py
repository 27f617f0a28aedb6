"""How much rotated boxes have in common: exactly, and as the Gaussians of their shapes."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from labelassign.geometry.rotated import Paired, parts, turned, vertices

_NOISE = 1e-14  # of the square of all lengths: more than rounding leaves of an intersection that is empty


def rotated_iou(a: Paired, b: Paired) -> Float[Tensor, "..."]:
    """Intersection over union of boxes at the same place of `a` and `b`, in 0..1; NaN where a box has one.

    The intersection is that of the rectangles themselves, not a sample or a bound. 0 where neither has an area. Boxes
    may be upright (xyxy), and then it is `paired_iou` up to rounding.

    Example:
        >>> la.geometry.rotated_iou(torch.tensor([0.0, 0, 4, 2, 0]), torch.tensor([0.0, 0, 4, 2, torch.pi / 2]))
        tensor(0.3333)
    """
    inner, (area, other) = intersection(a, b), (_area(boxes) for boxes in (a, b))
    return (inner / (area + other - inner).clamp(min=torch.finfo(torch.float64).tiny)).float()


def pairwise_rotated_iou(a: Float[Tensor, "*#n N D"], b: Float[Tensor, "*#n M E"]) -> Float[Tensor, "*n N M"]:
    """`rotated_iou` of every box of `a` with every box of `b`."""
    return rotated_iou(a[..., :, None, :], b[..., None, :, :])


def share_of(a: Paired, b: Paired) -> tuple[Tensor, Tensor]:
    """Intersection over the area of `a`, float64, and that area (of a box without any the share is NaN)."""
    area = _area(a)
    return intersection(a, b) / area, area


def _area(boxes: Tensor) -> Tensor:
    _, _, w, h, _ = parts(boxes)
    return w * h


def intersection(a: Paired, b: Paired) -> Float[Tensor, "..."]:
    """Area that boxes at the same place have in common, exact but for rounding, float64.

    By Green's theorem, in the frame of `b`, which is upright there: with x and y held between the sides of `b`, the
    integral of x dy once around `a` is that area. No corner of the intersection is sought and nothing is sorted, so
    that boxes which touch, coincide or have no area are no special case: the result moves as little as the boxes do.
    """
    ax, ay, aw, ah, angle = parts(a)
    bx, by, bw, bh, frame = parts(b)
    apart = turned(ax - bx, ay - by, frame)
    xs, ys = vertices(*apart, aw, ah, angle - frame)
    half_w, half_h = bw / 2, bh / 2
    total = torch.zeros_like(half_w)
    for i in range(4):
        total = total + _along(xs[i - 1], ys[i - 1], xs[i], ys[i], half_w, half_h)
    lengths = aw + ah + bw + bh + apart[0].abs() + apart[1].abs()
    common = torch.minimum(total, torch.minimum(aw * ah, bw * bh))
    return torch.where(common <= _NOISE * lengths.square(), 0.0, common)


def _along(x0: Tensor, y0: Tensor, x1: Tensor, y1: Tensor, half_w: Tensor, half_h: Tensor) -> Tensor:
    """The integral of x + half_w, held to 0 .. 2 half_w, over y, held to ±half_h, on the way from one point to another.

    A constant more than x changes nothing once around.
    """
    first, last = (torch.minimum(torch.maximum(y, -half_h), half_h) for y in (y0, y1))
    rise, run = y1 - y0, x1 - x0
    rise = torch.where(rise == 0, 1.0, rise)  # then first == last, and nothing is added
    p, q = (x0 + ((y - y0) / rise).clamp(0, 1) * run for y in (first, last))
    low, high = torch.minimum(p, q), torch.maximum(p, q)
    return (last - first) * (_mean_above(low + half_w, high + half_w) - _mean_above(low - half_w, high - half_w))


def _mean_above(low: Tensor, high: Tensor) -> Tensor:
    """The mean of what is above 0 of a number that goes evenly from `low` to `high`."""
    over_low, over_high = low.clamp(min=0), high.clamp(min=0)
    share = torch.where(high > low, (over_high - over_low) / (high - low), 1.0)
    return (over_low + over_high) / 2 * share


def prob_iou(a: Paired, b: Paired) -> Float[Tensor, "..."]:
    """Probabilistic IoU of boxes at the same place of `a` and `b`, in 0..1; NaN where a box has one.

    1 less the Hellinger distance of the two Gaussians that have the centres and second moments of the boxes. Smooth,
    and above 0 even for boxes that do not touch; 0 where a box has no area. A square has no angle to it.

    Source: Llerena et al., 2021, arXiv:2106.06072, section 3. Their closed form, rearranged into sums of positive terms
    so that nothing cancels between thin boxes, and without a constant added anywhere: boxes that are equal have 1.

    Example:
        >>> la.geometry.prob_iou(torch.tensor([0.0, 0, 4, 2, 0]), torch.tensor([0.0, 0, 4, 2, torch.pi / 2]))
        tensor(0.5528)
    """
    (ax, ay, aw, ah, angle), (bx, by, bw, bh, other) = parts(a), parts(b)
    cos, sin = torch.cos(angle - other).square(), torch.sin(angle - other).square()
    area, area_b = aw * ah, bw * bh
    # of the sum of both covariances, each times 12: w², h² along the sides
    crossed = cos * ((aw * bh).square() + (ah * bw).square()) + sin * ((aw * bw).square() + (ah * bh).square())
    det = area.square() + area_b.square() + crossed
    x, y = bx - ax, by - ay
    far = torch.zeros_like(det)
    for w, h, by_angle in ((aw, ah, angle), (bw, bh, other)):
        across, down = turned(x, y, by_angle)
        far = far + (h * across).square() + (w * down).square()
    empty = area * area_b <= 0
    det, both = torch.where(empty, 1.0, det), torch.where(empty, 1.0, area * area_b)
    distance = (3 * far / det + torch.log(det / (4 * both)) / 2).clamp(min=0)
    near = torch.exp(-distance)  # Bhattacharyya's coefficient; 1 - sqrt(1 - near) would lose small values
    return torch.where(empty, 0.0, near / (1 + (-torch.expm1(-distance)).sqrt())).float()
