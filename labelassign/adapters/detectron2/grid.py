"""What one detectron2 head said of all anchors, and the anchors themselves as priors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from labelassign import checks
from labelassign.adapters.anchors import Anchors
from labelassign.structures import Predictions, Priors

Levels = list[Tensor]


class Grid(Anchors):
    """The priors of one anchor generator."""

    def take(self, generator: Any, anchors: Sequence[Any], maps: Levels) -> Priors:
        """The record of a batch's anchors, a list of `Boxes` per level; `maps` is what a head said `[B, …, H, W]`."""
        shapes = [tuple(each.shape[-2:]) for each in maps]

        def make() -> Priors:
            sizes = tuple(len(each) for each in anchors)
            steps = torch.tensor([float(each) for each in generator.strides])
            strides = steps.repeat_interleave(torch.tensor(sizes)).to(maps[0].device)
            per_cell = {n // (h * w) for n, (h, w) in zip(sizes, shapes, strict=True)}
            return Priors(joined(anchors), sizes, strides, per_cell.pop() if len(per_cell) == 1 else 1)

        return self.kept((shapes, maps[0].device), make)

    @staticmethod
    def check(who: str, generator: Any) -> None:
        """Raise unless a generator makes upright boxes on known strides."""
        if getattr(generator, "strides", None) is None or getattr(generator, "box_dim", 4) != 4:
            fix = "Rotated anchors, and generators without a stride per level, are not supported."
            checks.fail(
                who, "an anchor generator like DefaultAnchorGenerator", type(generator).__name__, fix, TypeError
            )


def joined(anchors: Sequence[Any]) -> Tensor:
    """Anchors of all levels `[N, 4]`, from a list of `Boxes`."""
    return torch.cat([each.tensor for each in anchors]).float()


def rolled(maps: Sequence[Tensor], channels: int) -> Levels:
    """Maps `[B, A·channels, H, W]` of each level as `[B, H·W·A, channels]`, the order of the anchors."""
    return [each.unflatten(1, (-1, channels)).permute(0, 3, 4, 1, 2).flatten(1, 3) for each in maps]


def predictions(coder: Any, said: Sequence[Levels], anchors: Tensor) -> Predictions:
    """What a head says of all anchors: class scores, deltas, and FCOS's centerness as objectness."""
    with torch.no_grad():
        scores, deltas, *more = (torch.cat(each, 1) for each in said)
        flat = coder.apply_deltas(deltas.float().flatten(0, 1), anchors.repeat(len(deltas), 1))
        return Predictions(flat.view_as(deltas), scores, objectness=more[0].squeeze(2) if more else None)
