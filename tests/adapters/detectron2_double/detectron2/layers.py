"""Stands in for detectron2/layers (as the files beside this one use it): shapes of feature maps."""

from dataclasses import dataclass


@dataclass
class ShapeSpec:
    channels: int | None = None
    height: int | None = None
    width: int | None = None
    stride: int | None = None
