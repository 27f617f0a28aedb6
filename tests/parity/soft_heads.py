"""mmdet's AutoAssignHead and FreeAnchorRetinaHead, narrow, since no feature ever goes through them."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

import labelassign as la
from tests.parity import mmdet_stub

STRIDES, IMAGE, CLASSES = (8, 16, 32), (128, 160), 8
STDS = (0.1, 0.1, 0.2, 0.2)
_SHAPES = tuple((-(-IMAGE[0] // s), -(-IMAGE[1] // s)) for s in STRIDES)
_NARROW = {"num_classes": CLASSES, "in_channels": 8, "feat_channels": 8, "stacked_convs": 1}


@functools.cache
def auto_assign() -> Any:
    heads = mmdet_stub.module("mmdet.models.dense_heads")
    return heads.AutoAssignHead(
        **_NARROW,
        strides=STRIDES,
        regress_ranges=((-1, 64), (64, 128), (128, 1e8)),
        norm_cfg={"type": "GN", "num_groups": 4},
        loss_bbox={"type": "GIoULoss", "loss_weight": 5.0},
    )


@functools.cache
def free_anchor(topk: int) -> Any:
    heads = mmdet_stub.module("mmdet.models.dense_heads")
    anchors = {"octave_base_scale": 4, "scales_per_octave": 1, "ratios": [1.0], "strides": list(STRIDES)}
    return heads.FreeAnchorRetinaHead(
        **_NARROW,
        pre_anchor_topk=topk,
        norm_cfg={"type": "GN", "num_groups": 4},
        anchor_generator={"type": "AnchorGenerator", **anchors},
        bbox_coder={"type": "DeltaXYWHBBoxCoder", "target_means": [0.0] * 4, "target_stds": list(STDS)},
        loss_bbox={"type": "SmoothL1Loss", "beta": 0.11, "loss_weight": 0.75},
    )


def levels(flat: Tensor) -> list[Tensor]:
    """`[B, N, D]` in the order of the priors as maps `[B, D, H, W]`."""
    parts = flat.split([h * w for h, w in _SHAPES], 1)
    return [part.unflatten(1, shape).permute(0, 3, 1, 2) for part, shape in zip(parts, _SHAPES, strict=True)]


def batch_of(gt: la.GroundTruth) -> tuple[list[Any], list[dict[str, Any]]]:
    """What their heads take: instances and what is known of the images."""
    data = mmdet_stub.module("mmengine.structures").InstanceData
    found = [data(bboxes=image["boxes"], labels=image["labels"]) for image in gt.to_list()]
    return found, [{"img_shape": IMAGE, "pad_shape": IMAGE} for _ in found]


def objects(counts: tuple[int, ...], seed: int, anchors: Tensor | None = None, topk: int = 0) -> la.GroundTruth:
    """Objects of distinct classes in each image: theirs leaves a prior in two of one class to the later row.

    With `anchors`, no two overlaps of an object are equal where the `topk` largest end: many anchors inside one are.
    """
    g = torch.Generator().manual_seed(seed)
    images = []
    for n in counts:
        boxes: list[Tensor] = []
        while len(boxes) < n:
            centre = torch.rand(2, generator=g) * torch.tensor([100.0, 70.0]) + 30
            half = torch.exp(torch.rand(2, generator=g) * 0.8 + 2.5)
            box = torch.cat([centre - half, centre + half])
            if anchors is not None:
                best = la.geometry.paired_iou(anchors, box).sort(descending=True).values
                if best[topk - 1] - best[topk] < 1e-5:
                    continue
            boxes.append(box)
        labels = torch.randperm(CLASSES, generator=g)[:n]
        images.append({"boxes": torch.stack(boxes) if boxes else torch.zeros(0, 4), "labels": labels})
    return la.GroundTruth.from_list(images)
