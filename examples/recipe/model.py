"""A small feature-pyramid detector with a branch that predicts overlap, as PAA's head has one."""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

import labelassign as la

STRIDES = (4, 8, 16)
CODER = la.DeltaCoder(stds=(0.1, 0.1, 0.2, 0.2))
GROUP = 8  # channels that GroupNorm treats together: statistics of one image, whatever else is in the batch

# name: channels of the first stage, those of the pyramid, convolutions in every stage
SIZES = {"small": (8, 24, 1), "base": (16, 32, 1), "large": (32, 48, 2)}


class Heads(NamedTuple):
    """What a network says of a batch: predictions, and the logits of the overlap that it expects `[B, N]`."""

    predictions: la.Predictions
    iou: Tensor

    @torch.no_grad()
    def detached(self) -> Heads:
        """The same without gradient."""
        return Heads(self.predictions.detach(), self.iou.detach())


class Detector(nn.Module):
    """Three levels of class logits, box deltas and overlap logits, from towers that the levels share.

    Arguments:
        channels: of the images.
        classes: C.
        size: a name in `SIZES`.
    """

    def __init__(self, channels: int, classes: int, size: str = "base") -> None:
        super().__init__()
        width, inner, depth = SIZES[size]
        stages = [width, 2 * width, 3 * width, 4 * width]
        self.stem = _block(channels, width, 2)
        self.stages = nn.ModuleList(
            nn.Sequential(_block(a, b, 2), *(_block(b, b, 1) for _ in range(depth))) for a, b in pairwise(stages)
        )
        self.lateral = nn.ModuleList(nn.Conv2d(c, inner, 1) for c in stages[1:])
        self.smooth = nn.ModuleList(nn.Conv2d(inner, inner, 3, padding=1) for _ in STRIDES)
        self.cls_tower, self.box_tower = (
            nn.Sequential(_block(inner, inner, 1), _block(inner, inner, 1)) for _ in range(2)
        )
        self.cls, self.box, self.iou = (nn.Conv2d(inner, out, 3, padding=1) for out in (classes, 4, 1))
        self.scale = nn.Parameter(torch.ones(len(STRIDES)))
        for layer in (self.cls, self.box, self.iou):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        nn.init.constant_(self.cls.bias, -math.log(99))  # objects are rare: start from probability 0.01

    def forward(self, images: Tensor) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
        """Class logits, box deltas and overlap logits of every level, finest first, in NCHW."""
        features, x = [], self.stem(images)
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        pyramid = [lateral(f) for lateral, f in zip(self.lateral, features, strict=True)]
        for fine, coarse in ((1, 2), (0, 1)):
            up = functional.interpolate(pyramid[coarse], size=pyramid[fine].shape[-2:], mode="nearest")
            pyramid[fine] = pyramid[fine] + up
        pyramid = [layer(level) for layer, level in zip(self.smooth, pyramid, strict=True)]
        sides = [self.box_tower(level) for level in pyramid]
        boxes = [self.box(side) * scale for side, scale in zip(sides, self.scale, strict=True)]
        return [self.cls(self.cls_tower(level)) for level in pyramid], boxes, [self.iou(side) for side in sides]


def _block(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    layer = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(layer, nn.GroupNorm(outputs // GROUP, outputs), nn.ReLU())


@cache
def anchors(shapes: tuple[torch.Size, ...], device: torch.device) -> la.Priors:
    """One anchor in the middle of every cell, three strides wide; the same record for the same maps."""
    return la.Priors.grid(shapes, strides=STRIDES, scale=3, offset=0.5, device=device)


def look(network: nn.Module, images: Tensor) -> tuple[la.Priors, Heads]:
    """The anchors of a batch, and what a network says of them."""
    scores, deltas, ious = network(images)
    priors = anchors(tuple(level.shape[-2:] for level in scores), images.device)
    predictions = la.Predictions.from_levels(scores, deltas, priors, coder=CODER)
    return priors, Heads(predictions, torch.cat([level.flatten(1) for level in ious], 1))
