"""What one anchor generator was asked: images, and feature maps, which say what level an anchor is of."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from labelassign.adapters.anchors import Anchors
from labelassign.structures import Priors


class Watched:
    """The last batch of one anchor generator."""

    def __init__(self, who: str) -> None:
        """Nothing seen yet."""
        self.anchors = Anchors(who)
        self.images: Any = None
        self.shapes: list[tuple[int, ...]] = []
        self.per_cell: list[int] = []

    def see(self, generator: Any, inputs: tuple[Any, ...], _: Any) -> None:
        """A forward hook of the generator."""
        self.images, maps = inputs
        self.shapes = [tuple(each.shape[-2:]) for each in maps]
        self.per_cell = list(generator.num_anchors_per_location())

    def take(self, anchors: list[Tensor]) -> tuple[Priors, Any]:
        """Priors and images of the batch, which is forgotten."""
        images, self.images = self.images, None
        return self.anchors.priors(anchors[0], images.tensors.shape[-2:], self.shapes, self.per_cell), images

    def outputs_of(self, backbone: Any, network: Any, images: Any) -> Any:
        """What the head of another network says of the same images; its anchors must be the same."""
        maps = backbone(images.tensors)
        maps = [maps] if isinstance(maps, Tensor) else list(maps.values())
        self.anchors.agree(lambda: network.anchor_generator(images, maps)[0])
        return network.head(maps)

    def __getstate__(self) -> dict[str, Any]:
        """Without the batch."""
        return vars(self) | {"images": None}
