"""Anchors that one library made, as priors; and whether another network's are the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from labelassign import checks
from labelassign.structures import Priors


class Anchors:
    """Priors from anchors `[N, 4]` that all images of a batch share; made once for each size of image."""

    def __init__(self, who: str) -> None:
        """Nothing kept yet."""
        self.who = who
        self._kept: tuple[Any, Priors] | None = None
        self._agreed: Any = None

    def priors(
        self, boxes: Tensor, size: Sequence[int], shapes: Sequence[Sequence[int]], per_cell: Sequence[int]
    ) -> Priors:
        """The record of anchors of images of `size` (h, w): maps of `shapes` (h, w), so many anchors in each cell."""

        def make() -> Priors:
            sizes = [h * w * k for (h, w), k in zip(shapes, per_cell, strict=True)]
            steps = [size[0] / h for h, _ in shapes]
            strides = torch.repeat_interleave(torch.tensor(steps), torch.tensor(sizes)).to(boxes.device)
            same = len(set(per_cell)) == 1
            return Priors(boxes.float(), tuple(sizes), strides, per_cell[0] if same else 1)

        return self.kept((tuple(size), tuple(map(tuple, shapes)), tuple(per_cell), boxes.device), make)

    def kept(self, key: Any, make: Callable[[], Priors]) -> Priors:
        """What was made last, unless the key is another one."""
        if self._kept is None or self._kept[0] != key:
            self._kept = (key, make())
        return self._kept[1]

    def agree(self, theirs: Callable[[], Tensor]) -> None:
        """Refuse another network whose anchors `[N, 4]` differ from the last ones; asked once for each size."""
        assert self._kept is not None
        key, mine = self._kept
        if self._agreed == key:
            return
        boxes = theirs().float()
        if not torch.equal(boxes, mine.boxes):
            found = f"{list(boxes.shape)} beside {list(mine.boxes.shape)}, or others"
            checks.fail(self.who, "a teacher with the same anchors", found, "Give both the same strides and sizes.")
        self._agreed = key

    def __getstate__(self) -> dict[str, Any]:
        """Without tensors."""
        return vars(self) | {"_kept": None, "_agreed": None}
