"""The anchors of a batch as priors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from mmdet.models.task_modules.prior_generators import anchor_inside_flags
from torch import Tensor

from labelassign.adapters.anchors import Anchors
from labelassign.structures import Priors

POINT_SIDE = 8  # strides: the square that stands for a point, as large as ATSS's anchors


class Grid(Anchors):
    """Makes the priors of a head: once for each shape of a batch."""

    def take(self, head: Any, maps: Sequence[Tensor], metas: Sequence[Any]) -> Priors:
        """All anchors of the batch; those that the head does not train in some image are not `valid` there."""
        shapes, device = [tuple(each.shape[-2:]) for each in maps], maps[0].device
        priors = self.kept((shapes, device), lambda: priors_of(head, shapes, device))
        border = head.train_cfg["allowed_border"]
        if border < 0 and all(_full(head, shapes, each["pad_shape"]) for each in metas):
            return priors
        flags = [_inside(head, shapes, each, priors, border) for each in metas]
        return replace(priors, valid=torch.stack(flags))

    def same(self, head: Any, maps: Sequence[Tensor]) -> None:
        """Raise unless another head has the same anchors."""
        shapes = [tuple(each.shape[-2:]) for each in maps]
        self.agree(lambda: priors_of(head, shapes, maps[0].device).boxes)


def priors_of(head: Any, shapes: Any, device: torch.device) -> Priors:
    """A head's anchors; points become squares around them, which methods that know points do not mind."""
    generator = head.prior_generator
    levels = generator.grid_priors(shapes, device=device)
    boxes = torch.cat([getattr(each, "tensor", each) for each in levels]).float()
    sizes = tuple(len(each) for each in levels)
    steps = torch.tensor([float(min(each)) for each in generator.strides], device=device)
    strides = steps.repeat_interleave(torch.tensor(sizes, device=device))
    if boxes.shape[1] == 2:
        half = POINT_SIDE / 2 * strides[:, None]
        boxes = torch.cat([boxes - half, boxes + half], 1)
    per_cell = set(generator.num_base_priors)
    return Priors(boxes, sizes, strides, per_cell.pop() if len(per_cell) == 1 else 1)


def _full(head: Any, shapes: Any, size: Sequence[int]) -> bool:
    """Whether all cells of all levels are inside the padded image."""
    steps = zip(shapes, head.prior_generator.strides, strict=True)
    return all(-(-size[0] // step[1]) >= h and -(-size[1] // step[0]) >= w for (h, w), step in steps)


def _inside(head: Any, shapes: Any, meta: Any, priors: Priors, border: int) -> Tensor:
    boxes, valid = priors.boxes, head.prior_generator.valid_flags(shapes, meta["pad_shape"], priors.boxes.device)
    if not hasattr(head.prior_generator, "base_anchors"):  # the head tests points with their strides for corners
        boxes = torch.cat(head.prior_generator.grid_priors(shapes, device=boxes.device, with_stride=True))
    return anchor_inside_flags(boxes, torch.cat(valid), meta["img_shape"][:2], border)
