"""Op of ignored regions."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.cover.reference import cover as _reference
from labelassign.ops.dispatch import Op

__all__ = ["cover"]


def _fake(boxes: Tensor, regions: Tensor, active: Tensor, image_of: Tensor, images: int, share: float) -> Tensor:
    return boxes.new_empty((images, boxes.shape[-2])).bool()


cover = Op(
    "cover",
    "(Tensor boxes, Tensor regions, Tensor active, Tensor image_of, SymInt images, float share) -> Tensor",
    _reference,
    _fake,
).register()
"""`[B, N]`: at least `share` of the box's own area lies in one `active` region of its image (a point: is inside)."""
