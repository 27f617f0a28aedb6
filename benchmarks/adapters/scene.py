"""The batch that every detector trains on, and a trunk that gives maps of any strides."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import Tensor, nn

CLASSES = 80
IMAGES = 2


@dataclass(frozen=True)
class Scene:
    """Pixels `[B, 3, S, S]`, and of each image boxes `[n, 4]` (xyxy, pixels) and labels `[n]` (from 0)."""

    pixels: Tensor
    boxes: list[Tensor]
    labels: list[Tensor]

    @property
    def side(self) -> int:
        """Of the images, which are square."""
        return self.pixels.shape[-1]

    @property
    def shares(self) -> list[Tensor]:
        """Boxes as centre, width and height in shares of the image."""
        return [torch.cat([(b[:, :2] + b[:, 2:]) / 2, b[:, 2:] - b[:, :2]], 1) / self.side for b in self.boxes]


def scene(side: int, objects: int, seed: int = 0) -> Scene:
    """Objects on noise: sides from 4 % to 50 % of the image, small ones as frequent as large ones."""
    g = torch.Generator().manual_seed(seed)
    pixels, boxes, labels = torch.rand(IMAGES, 3, side, side, generator=g), [], []
    for _ in range(IMAGES):
        sides = side * 0.04 * 12.5 ** torch.rand(objects, 2, generator=g)
        low = torch.rand(objects, 2, generator=g) * (side - sides)
        boxes.append(torch.cat([low, low + sides], 1))
        labels.append(torch.randint(CLASSES, (objects,), generator=g))
    return Scene(pixels, boxes, labels)


class Trunk(nn.Module):
    """Maps of `levels` strides from `stride` on, in as few layers as there can be."""

    def __init__(self, channels: int = 32, levels: int = 5, stride: int = 8) -> None:
        super().__init__()
        self.out_channels = channels
        self.stem = nn.Sequential(nn.Conv2d(3, channels, stride, stride), nn.BatchNorm2d(channels), nn.ReLU())
        self.down = nn.ModuleList(nn.Conv2d(channels, channels, 3, 2, 1) for _ in range(levels - 1))

    def forward(self, x: Tensor) -> OrderedDict[str, Tensor]:
        """Maps by name, as torchvision takes them."""
        maps = [self.stem(x)]
        for layer in self.down:
            maps.append(layer(maps[-1].relu()))
        return OrderedDict((str(i), each) for i, each in enumerate(maps))


class Maps(Trunk):
    """The same as a tuple, as mmdet and MONAI take them."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Maps in order."""
        return tuple(super().forward(x).values())
