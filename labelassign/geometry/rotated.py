"""Rotated boxes: centre, width and height in pixels, and an angle in radians.

A box is `[cx, cy, w, h, angle]`. A positive angle turns it clockwise as the image is seen (x to the right, y down): its
width lies along (cos, sin). Any angle and any order of the sides will do: (w, h, angle) and (h, w, angle + π/2) are the
same box, and so are angles that differ by π. mmrotate (`oc`, `le90`, `le135`) and ultralytics (`xywhr`) turn the same
way and allow only some of these, so that their boxes come as they are. Degrees, or angles that count counter-clockwise
as in detectron2, need converting.

All here is float64 inside and rounded once to float32. Each function takes upright boxes (xyxy), too, as angle 0. A
negative side counts as 0; a NaN in a box comes out again.
"""

from __future__ import annotations

from typing import TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Boxes: TypeAlias = Float[Tensor, "*n 4"] | Float[Tensor, "*n 5"]
Paired: TypeAlias = Float[Tensor, "*#n 4"] | Float[Tensor, "*#n 5"]
"""Boxes of either kind, and such that broadcast with others."""


def is_rotated(boxes: Tensor) -> bool:
    """Whether boxes are rotated ones: five numbers each instead of four."""
    return boxes.shape[-1] == 5


def as_rotated(boxes: Boxes) -> Float[Tensor, "*n 5"]:
    """Upright boxes (xyxy) as rotated ones of angle 0; rotated ones as they are.

    Example:
        >>> la.geometry.as_rotated(torch.tensor([0.0, 0, 4, 2])).tolist()
        [2.0, 1.0, 4.0, 2.0, 0.0]
    """
    if is_rotated(boxes):
        return boxes
    low, high = boxes[..., :2], boxes[..., 2:]
    return torch.cat([(low + high) / 2, high - low, torch.zeros_like(boxes[..., :1])], -1)


def parts(boxes: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Centre x and y, width and height (0 at least), and angle, in float64."""
    x, y, w, h, angle = as_rotated(boxes.double()).unbind(-1)
    return x, y, w.clamp(min=0), h.clamp(min=0), angle


def turned(x: Tensor, y: Tensor, angle: Tensor) -> tuple[Tensor, Tensor]:
    """An offset as a box of that angle sees it: along its width, and along its height."""
    cos, sin = torch.cos(angle), torch.sin(angle)
    return x * cos + y * sin, y * cos - x * sin


def vertices(x: Tensor, y: Tensor, w: Tensor, h: Tensor, angle: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """The x and the y of the four corners in the order of `corners`."""
    cos, sin = torch.cos(angle) / 2, torch.sin(angle) / 2
    across, down = (w * cos, w * sin), (-h * sin, h * cos)
    xs, ys = ([m - u - v, m + u - v, m + u + v, m - u + v] for m, u, v in zip((x, y), across, down, strict=True))
    return xs, ys


def corners(boxes: Boxes) -> Float[Tensor, "*n 4 2"]:
    """(x, y) of the four corners, clockwise as the image is seen, from the one that is top left at angle 0.

    Example:
        >>> la.geometry.corners(torch.tensor([5.0, 5, 4, 2, torch.pi / 2])).tolist()
        [[6.0, 3.0], [6.0, 7.0], [4.0, 7.0], [4.0, 3.0]]
    """
    return torch.stack([torch.stack(each, -1) for each in vertices(*parts(boxes))], -1).float()


def extents(boxes: Boxes) -> tuple[Tensor, Tensor]:
    """Centre and half sides of the upright box around each box, both `[..., 2]` float64."""
    x, y, w, h, angle = parts(boxes)
    cos, sin = torch.cos(angle).abs() / 2, torch.sin(angle).abs() / 2
    return torch.stack([x, y], -1), torch.stack([w * cos + h * sin, w * sin + h * cos], -1)


def rotated_margin(points: Float[Tensor, "*#n 2"], boxes: Paired, floor: float = 0.0) -> Float[Tensor, "..."]:
    """Distance of a point from the nearest side in pixels, negative outside; sides below `floor` are widened to it."""
    x, y, w, h, angle = parts(boxes)
    across, down = turned(points[..., 0].double() - x, points[..., 1].double() - y, angle)
    half_w, half_h = w.clamp(min=floor) / 2, h.clamp(min=floor) / 2
    return torch.minimum(half_w - across.abs(), half_h - down.abs()).float()


def inside_rotated(points: Float[Tensor, "*#n 2"], boxes: Paired) -> Bool[Tensor, "..."]:
    """Whether a point lies in a box, all four sides included (up to the rounding of sine and cosine).

    Example:
        >>> la.geometry.inside_rotated(torch.tensor([[5.0, 6], [6.5, 5]]), torch.tensor([5.0, 5, 4, 2, torch.pi / 2]))
        tensor([ True, False])
    """
    return rotated_margin(points, boxes) >= 0
