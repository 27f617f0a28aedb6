"""The anchors of a batch as priors, and another network's outputs over the same ones."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign import checks
from labelassign.structures import Priors


class Anchors:
    """Watches one anchor generator: images and feature maps say which level an anchor is of."""

    def __init__(self, who: str) -> None:
        """Nothing seen yet."""
        self.who = who
        self.images: Any = None
        self.shapes: tuple[tuple[int, ...], ...] = ()
        self.per_cell: tuple[int, ...] = ()
        self._kept: tuple[Any, Priors] | None = None
        self._agreed: Any = None

    def see(self, generator: Any, inputs: tuple[Any, ...], _: Any) -> None:
        """A forward hook of the generator."""
        images, maps = inputs
        self.images = images
        self.shapes = tuple(tuple(each.shape[-2:]) for each in maps)
        self.per_cell = tuple(generator.num_anchors_per_location())

    def take(self, anchors: list[Tensor]) -> tuple[Priors, Any]:
        """Priors and images of the batch that was seen last, which is forgotten.

        All images of a batch have the same anchors. The record is made once for each shape of image.
        """
        images, self.images = self.images, None
        size = tuple(images.tensors.shape[-2:])
        key = (size, self.shapes, anchors[0].device)
        if self._kept is None or self._kept[0] != key:
            sizes = [h * w * k for (h, w), k in zip(self.shapes, self.per_cell, strict=True)]
            steps = [size[0] / h for h, _ in self.shapes]
            strides = torch.repeat_interleave(torch.tensor(steps), torch.tensor(sizes)).to(anchors[0].device)
            same = len(set(self.per_cell)) == 1
            priors = Priors(anchors[0].float(), tuple(sizes), strides, self.per_cell[0] if same else 1)
            self._kept = (key, priors)
        return self._kept[1], images

    def outputs_of(self, backbone: Any, network: Any, images: Any) -> Any:
        """What the head of another network says of the same images; its anchors must be the same."""
        maps = backbone(images.tensors)
        maps = [maps] if isinstance(maps, Tensor) else list(maps.values())
        assert self._kept is not None
        key, priors = self._kept
        if self._agreed != key:
            theirs = network.anchor_generator(images, maps)[0]
            if not torch.equal(theirs.float(), priors.boxes):
                found = f"{list(theirs.shape)} beside {list(priors.boxes.shape)}, or others"
                fix = "Give both networks the same strides, sizes and ratios."
                checks.fail(self.who, "a teacher with the same anchors", found, fix)
            self._agreed = key
        return network.head(maps)

    def __getstate__(self) -> dict[str, Any]:
        """Without the batch."""
        return vars(self) | {"images": None, "_kept": None, "_agreed": None}
