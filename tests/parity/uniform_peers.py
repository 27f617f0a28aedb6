"""mmdet's UniformAssigner as a function from a scene to our codes, and predictions over YOLOF's anchors."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import torch
from torch import Tensor

import labelassign as la
from tests.parity import mmdet_stub
from tests.parity.mmdet_peers import assigner, from_gt_inds, instances
from tests.parity.scenes import CLASSES, IMAGE, Scene


class Found(NamedTuple):
    """Codes of every prior `[N]`; the pairs that the head's box loss runs over: boxes of priors and of objects."""

    row: Tensor
    predicted: Tensor
    targets: Tensor


@functools.cache
def priors() -> la.Priors:
    """YOLOF's anchors: one level of stride 32, sides of 1 to 16 strides."""
    return la.Priors.grid(image_size=IMAGE, strides=(32,), scale=(1, 2, 4, 8, 16))


def predictions(scene: Scene, seed: int, noise: float = 0.2) -> la.Predictions:
    """Anchors with corners off by a share of their side, some pulled towards the object that they overlap most."""
    g, anchors = torch.Generator().manual_seed(seed), priors().boxes
    side = (anchors[:, 2:] - anchors[:, :2]).repeat(1, 2)
    boxes = anchors + noise * side * torch.randn(anchors.shape, generator=g)
    if len(scene.boxes):
        iou, row = la.geometry.pairwise_iou(anchors, scene.boxes).max(1)
        pull = (iou > 0.2)[:, None] * torch.rand(len(anchors), 1, generator=g)
        boxes = boxes + pull * (scene.boxes[row] - boxes)
    return la.Predictions(boxes[None], torch.zeros(1, len(anchors), CLASSES))


def uniform(boxes: Tensor, predicted: Tensor, scene: Scene, **options: Any) -> Found:
    data = mmdet_stub.module("mmengine.structures").InstanceData(priors=boxes, decoder_priors=predicted)
    given = {"pos_ignore_thr": 0.15, "neg_ignore_thr": 0.7, "match_times": 4, **options}
    found = assigner("UniformAssigner", **given).assign(data, instances(scene))
    extra = found.get_extra_property
    kept = extra("pos_idx")
    return Found(from_gt_inds(found.gt_inds), extra("pos_predicted_boxes")[kept], extra("target_boxes")[kept])
