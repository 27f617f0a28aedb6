"""A small feature-pyramid detector in plain PyTorch; nothing in it knows about label assignment."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDES = (8, 16, 32)


class Detector(nn.Module):
    """Three levels of class scores and box outputs, in NCHW, from towers that the levels share.

    Arguments:
        width: channels of the first stage; those of the pyramid are twice as many.
        per_cell: anchors per cell.
        box_channels: numbers per anchor that the box coder reads.
    """

    def __init__(self, width: int = 16, per_cell: int = 1, box_channels: int = 4, classes: int = 1) -> None:
        super().__init__()
        stages, self.inner = [width, 2 * width, 3 * width, 4 * width, 4 * width], 2 * width
        self.stem = _conv(3, width)
        self.stages = nn.ModuleList(nn.Sequential(_conv(a, b), _conv(b, b, 1)) for a, b in pairwise(stages))
        self.lateral = nn.ModuleList(nn.Conv2d(c, self.inner, 1) for c in stages[2:])
        self.cls_tower, self.box_tower = self._tower(), self._tower()
        self.cls = nn.Conv2d(self.inner, per_cell * classes, 3, padding=1)
        self.box = nn.Conv2d(self.inner, per_cell * box_channels, 3, padding=1)
        for layer in (self.cls, self.box):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.cls.bias, -math.log(99))  # objects are rare: start from probability 0.01

    def _tower(self) -> nn.Sequential:
        def block() -> list[nn.Module]:
            return [nn.Conv2d(self.inner, self.inner, 3, padding=1), nn.GroupNorm(8, self.inner), nn.ReLU()]

        return nn.Sequential(*block(), *block())

    def forward(self, images: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Class logits and box outputs of every level, finest first: [B, A·C, H, W] and [B, A·D, H, W]."""
        features, x = [], self.stem(images)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        pyramid = [lateral(f) for lateral, f in zip(self.lateral, features[1:], strict=True)]
        for fine, coarse in ((1, 2), (0, 1)):
            up = functional.interpolate(pyramid[coarse], size=pyramid[fine].shape[-2:], mode="nearest")
            pyramid[fine] = pyramid[fine] + up
        return [self.cls(self.cls_tower(p)) for p in pyramid], [self.box(self.box_tower(p)) for p in pyramid]


def _conv(inputs: int, outputs: int, stride: int = 2) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outputs), nn.ReLU())


def shapes(levels: list[Tensor]) -> list[torch.Size]:
    """(height, width) of every level, as `Priors.grid` wants them."""
    return [level.shape[-2:] for level in levels]
