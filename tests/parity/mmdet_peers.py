"""mmdet's assigners as functions from a scene to our codes: row inside the image, -1 background, -2 ignored."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from tests.parity import mmdet_stub
from tests.parity.scenes import Scene

VERSION = "3.3.0"


def instances(scene: Scene) -> Any:
    data = mmdet_stub.module("mmengine.structures").InstanceData
    return data(bboxes=scene.boxes, labels=scene.labels)


def as_priors(boxes: Tensor) -> Any:
    return mmdet_stub.module("mmengine.structures").InstanceData(priors=boxes)


def from_gt_inds(gt_inds: Tensor) -> Tensor:
    """0 negative, -1 ignored, else one more than the row."""
    return torch.where(gt_inds > 0, gt_inds - 1, torch.where(gt_inds == 0, -1, -2))


def assigner(name: str, **options: Any) -> Any:
    return getattr(mmdet_stub.module("mmdet.models.task_modules.assigners"), name)(**options)


def max_iou(boxes: Tensor, scene: Scene, **options: Any) -> Tensor:
    found = assigner("MaxIoUAssigner", **options).assign(as_priors(boxes), instances(scene))
    return from_gt_inds(found.gt_inds)


def atss(boxes: Tensor, level_sizes: tuple[int, ...], scene: Scene, topk: int = 9) -> Tensor:
    found = assigner("ATSSAssigner", topk=topk).assign(as_priors(boxes), list(level_sizes), instances(scene))
    return from_gt_inds(found.gt_inds)
