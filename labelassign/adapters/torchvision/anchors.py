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


class Hidden:
    """Keeps the anchors of one model from itself, from when it asks for them in training until its forward ends."""

    def __init__(self) -> None:
        """Nothing is hidden."""
        self.armed = False
        self.anchors: list[Tensor] | None = None

    def begin(self, model: Any, _: Any) -> None:
        """A forward pre-hook of the model; who asks its generator for anchors by himself shall get them."""
        self.armed = model.training

    def hide(self, _: Any, __: Any, anchors: list[Tensor]) -> list[Tensor] | None:
        """A forward hook of the generator: nothing to match in any image."""
        if not self.armed:
            return None
        self.armed, self.anchors = False, anchors
        return []

    def end(self, *_: Any) -> None:
        """A forward hook of the model."""
        self.armed, self.anchors = False, None

    def __getstate__(self) -> dict[str, Any]:
        """Without the batch."""
        return {"armed": False, "anchors": None}
