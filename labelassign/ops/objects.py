"""How ops take the objects of a batch: as the plain tensors of a `GroundTruth`."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor

from labelassign.structures import GroundTruth, Predictions, rows

OBJECTS = "Tensor gt_boxes, Tensor gt_labels, Tensor offsets, Tensor ignore, SymInt classes"

Objects: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor, int]
"""boxes `[G, 4]`, labels `[G]`, offsets `[B + 1]`, ignore `[G]`, number of classes (-1: any label)."""


def objects(gt: GroundTruth, predictions: Predictions | None = None) -> Objects:
    """The arguments that `OBJECTS` names; labels are in range if `predictions` know them."""
    return gt.boxes, gt.labels, gt.offsets, gt.ignore, -1 if predictions is None else predictions.num_classes


def usable(boxes: Tensor, labels: Tensor, offsets: Tensor, ignore: Tensor, classes: int) -> Tensor:
    """Rows that may own priors `[G]`."""
    return rows.usable(boxes, labels, offsets, ignore, None if classes < 0 else classes)


def reached(prior_boxes: Tensor, valid: Tensor | None, image_of: Tensor) -> Tensor:
    """Rows whose image has any valid prior `[G]`."""
    if valid is None:
        return image_of.new_full(image_of.shape, prior_boxes.shape[-2] > 0).bool()
    return valid.any(1)[image_of]


def fake_answer(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    *rules: object,
) -> tuple[Tensor, ...]:
    """The shapes of a whole method's answer: five tensors `[B, N]`, the first int64, and the reasons `[G]`."""
    index = offsets.new_empty(offsets.shape[0] - 1, prior_boxes.shape[-2])
    return index, *(torch.empty_like(index, dtype=torch.float32) for _ in range(4)), ignore.char()
