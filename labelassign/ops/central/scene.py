"""The arguments of the ops here, and what they say of a pair of an object and a prior."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from labelassign.geometry import centres, is_rotated
from labelassign.geometry.rotated import rotated_margin
from labelassign.ops.objects import usable
from labelassign.structures import rows

WHERE = (
    "Tensor prior_boxes, Tensor? valid, Tensor? strides, Tensor gt_boxes, Tensor gt_labels, Tensor offsets, "
    "Tensor ignore, SymInt classes"
)
REGION = "str region, float radius, float margin, float floor, str pool, float penalty"
NETWORK = "Tensor scores, Tensor boxes, Tensor? objectness"
COST = "str kind, float[] weights, str overlap, str scores_are"


class Where(NamedTuple):
    """Priors and objects."""

    prior_boxes: Tensor
    valid: Tensor | None
    strides: Tensor | None
    gt_boxes: Tensor
    gt_labels: Tensor
    offsets: Tensor
    ignore: Tensor
    classes: int

    @property
    def images(self) -> int:
        """B."""
        return self.offsets.shape[0] - 1

    @property
    def able(self) -> Tensor:
        """Rows that may own priors `[G]`."""
        return usable(self.gt_boxes, self.gt_labels, self.offsets, self.ignore, self.classes)

    @property
    def image_of(self) -> Tensor:
        """`[G]`."""
        return rows.image_of(self.offsets, self.gt_boxes.shape[0])


class Region(NamedTuple):
    """Which priors an object may choose, by their centres.

    region: "box" (more than `margin` inside, sides below `floor` widened to it), "centre" (less than `radius` strides
    from the object's, along both axes) or "both". pool: "own" (those alone), "any" (all priors that are in the box or
    near the centre, by `region`, of any object of the image: `penalty` more for those that are not this object's own)
    or "every" (all priors).
    """

    region: str
    radius: float
    margin: float
    floor: float
    pool: str
    penalty: float

    def own(self, where: Where, points: Tensor, boxes: Tensor, strides: Tensor | None) -> Tensor:
        """Whether points `[..., 2]` are boxes' own; `where` boxes that make no sense own nothing."""
        inside, near = self.parts(points, boxes, strides)
        return inside & near

    def parts(self, points: Tensor, boxes: Tensor, strides: Tensor | None) -> tuple[Tensor, Tensor]:
        """Inside the box, and near the centre; True where the region does not ask."""
        if is_rotated(boxes):
            assert self.region == "box"  # the methods that ask for more do not take rotated boxes
            inside = rotated_margin(points, boxes, self.floor) > self.margin
            return inside, torch.ones_like(inside)
        x, y = points.unbind(-1)
        x1, y1, x2, y2 = boxes.float().unbind(-1)
        middle_x, middle_y = (x1 + x2) / 2, (y1 + y2) / 2
        yes = torch.ones_like(x + x1, dtype=torch.bool)
        inside = near = yes
        if self.region in ("box", "both"):
            if self.floor > 0:
                half_x, half_y = (x2 - x1).clamp(min=self.floor) / 2, (y2 - y1).clamp(min=self.floor) / 2
                wide, high = x2 - x1 < self.floor, y2 - y1 < self.floor
                x1, x2 = torch.where(wide, middle_x - half_x, x1), torch.where(wide, middle_x + half_x, x2)
                y1, y2 = torch.where(high, middle_y - half_y, y1), torch.where(high, middle_y + half_y, y2)
            least = torch.minimum(torch.minimum(x - x1, x2 - x), torch.minimum(y - y1, y2 - y))
            inside = least > self.margin
        if self.region in ("centre", "both"):
            assert strides is not None
            reach = self.radius * strides
            near = (middle_x - reach < x) & (x < middle_x + reach) & (middle_y - reach < y) & (y < middle_y + reach)
        return inside, near


def points_of(where: Where) -> Tensor:
    """Centres of priors `[N, 2]` or `[B, N, 2]`."""
    return centres(where.prior_boxes)
