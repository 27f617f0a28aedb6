"""Op of nearest-centre candidates."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.dispatch import Op
from labelassign.ops.nearest.reference import nearest as _reference

__all__ = ["nearest"]


def _fake(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    usable: Tensor,
    image_of: Tensor,
    level_sizes: list[int],
    topk: int,
) -> tuple[Tensor, Tensor, Tensor]:
    prior = image_of.new_empty(gt_boxes.shape[0], len(level_sizes), topk)
    return prior, gt_boxes.new_empty(prior.shape), gt_boxes.new_empty(prior.shape)


nearest = Op(
    "nearest",
    "(Tensor prior_boxes, Tensor? valid, Tensor gt_boxes, Tensor usable, Tensor image_of, SymInt[] level_sizes, "
    "int topk) -> (Tensor, Tensor, Tensor)",
    _reference,
    _fake,
).register()
"""The `topk` valid priors of each level nearest in centre `[G, L, topk]`, nearest first, -1 where a level has fewer;
their overlaps (0 where absent), and how far inside the object their centres lie in pixels (-inf where absent).

Squared distances in float32; ties by lower prior index."""
