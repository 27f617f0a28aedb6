"""The record of priors: anchors, points or queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from labelassign import checks
from labelassign.structures import grids
from labelassign.structures.arrays import as_tensor
from labelassign.structures.record import Record

Shapes = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True, repr=False)
class Priors(Record):
    """What a detector predicts from: anchor boxes, points or queries, level by level.

    Attributes:
        boxes: xyxy in pixels, float32; `[N, 4]` shared by the batch or `[B, N, 4]` (proposals). A point is a box of
            zero size; queries have zeros here, which nothing reads. Rotated ones are `[N, 5]`, see `GroundTruth`.
        level_sizes: how many priors each level has, in order; they add up to N.
        strides: pixels per cell of each prior `[N]`, or None where there is no grid.
        per_cell: priors per cell (ratios x scales).
        valid: `[B, N]`, False for priors outside the unpadded image; such priors become IGNORE. None: all valid.
        kind: "boxes", "points" or "queries".

    Raises:
        ValueError, TypeError: shapes, dtypes or counts that do not fit, naming the field.

    Example:
        >>> priors = la.Priors.grid(image_size=(128, 160), strides=(8, 16), scale=4)
        >>> priors.level_sizes, priors.boxes[0].tolist()
        ((320, 80), [-16.0, -16.0, 16.0, 16.0])
    """

    boxes: Float[Tensor, "*B N 4"] | Float[Tensor, "*B N 5"]
    level_sizes: tuple[int, ...]
    strides: Float[Tensor, " N"] | None = None
    per_cell: int = 1
    valid: Bool[Tensor, "B N"] | None = None
    kind: str = "boxes"

    def __post_init__(self) -> None:
        """Check shapes, dtypes, devices and counts; never values."""
        who, lead = "Priors", ("B",) if self.boxes.dim() == 3 else ()
        checks.boxes(who, "boxes", self.boxes, (*lead, "N"), "float32")
        n = self.boxes.shape[-2]
        if sum(self.level_sizes) != n:
            fix = "Give the number of priors of every level, in order."
            checks.fail(who, f"`level_sizes` that add up to N = {n}", f"{self.level_sizes}", fix)
        if self.strides is not None:
            checks.tensor(who, "strides", self.strides, (n,), "float32")
        if self.valid is not None:
            checks.tensor(who, "valid", self.valid, (self.boxes.shape[0] if lead else "B", n), "bool")
        checks.choice(who, "kind", self.kind, ("boxes", "points", "queries"))
        checks.same_device(who, (("boxes", self.boxes), ("strides", self.strides), ("valid", self.valid)))

    @property
    def count(self) -> int:
        """N, the number of priors of one image."""
        return self.boxes.shape[-2]

    @classmethod
    def from_boxes(cls, boxes: Any, *, level_sizes: Sequence[int] | None = None, strides: Any = None) -> Self:
        """Priors from an array of boxes `[N, 4 or 5]` or `[B, N, 4 or 5]`; one level unless `level_sizes` says more."""
        tensor = as_tensor(cls.__name__, "boxes", boxes, torch.float32)
        steps = None if strides is None else as_tensor(cls.__name__, "strides", strides, torch.float32)
        return cls(tensor, (tensor.shape[-2],) if level_sizes is None else tuple(level_sizes), steps)

    @classmethod
    def grid(
        cls,
        shapes: Shapes | None = None,
        *,
        strides: Sequence[int],
        image_size: Sequence[int] | None = None,
        scale: float | Sequence[float] = 8.0,
        ratios: Sequence[float] = (1.0,),
        offset: float = 0.0,
        device: torch.device | str | None = None,
    ) -> Self:
        """Anchor boxes of side `scale · stride` on a grid, cells in row order, ratios then scales inside a cell.

        Arguments:
            shapes: (height, width) of every level's feature map; or give `image_size`.
            strides: pixels per cell of every level.
            image_size: (height, width) in pixels; a level has ceil(size / stride) cells.
            scale: side of the anchor in strides; several for several anchors per cell (octaves).
            ratios: height / width at equal area.
            offset: centre of cell i at (i + offset) · stride. 0: mmdet's and torchvision's anchors (torchvision also
                rounds the sides to whole pixels); 0.5: centres of cells, as point-based heads have it.
            device: where to put the priors.
        """
        levels, scales = grids.level_shapes(cls.__name__, shapes, strides, image_size), grids.as_floats(scale)
        boxes, steps = grids.anchors(levels, strides, scales, ratios, offset, device)
        sizes = tuple(h * w * len(scales) * len(ratios) for h, w in levels)
        return cls(boxes, sizes, steps, per_cell=len(scales) * len(ratios))

    @classmethod
    def points(
        cls,
        shapes: Shapes | None = None,
        *,
        strides: Sequence[int],
        image_size: Sequence[int] | None = None,
        offset: float = 0.5,
        device: torch.device | str | None = None,
    ) -> Self:
        """One point per cell at (i + offset) · stride, as a box of zero size; arguments as for `grid`."""
        levels = grids.level_shapes(cls.__name__, shapes, strides, image_size)
        boxes, steps = grids.anchors(levels, strides, (0.0,), (1.0,), offset, device)
        return cls(boxes, tuple(h * w for h, w in levels), steps, kind="points")

    @classmethod
    def queries(cls, n: int, *, device: torch.device | str | None = None) -> Self:
        """`n` queries of a set-prediction head: priors without a place of their own."""
        return cls(torch.zeros(n, 4, device=device), (n,), kind="queries")

    def with_image_sizes(self, sizes: Any) -> Self:
        """The same priors, `valid` where the prior's cell begins inside the unpadded image; sizes `[B, 2]` (h, w)."""
        who = "Priors.with_image_sizes"
        if self.strides is None:
            checks.fail(who, "priors on a grid, with `strides`", "strides=None", "Set `valid` yourself.")
        wanted = as_tensor(who, "sizes", sizes, torch.float32).to(self.boxes.device)
        checks.tensor(who, "sizes", wanted, ("B", 2), "float32")
        return replace(self, valid=grids.inside_image(self.boxes, self.strides, wanted))
