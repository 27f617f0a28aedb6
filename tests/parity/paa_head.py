"""mmdet's PAAHead, step by step on one image: pre-assignment, candidate costs, reassignment."""

from __future__ import annotations

import functools
import warnings
from typing import Any, NamedTuple

import torch
from torch import Tensor

from tests.parity import mmdet_stub
from tests.parity.mmdet_peers import instances
from tests.parity.scenes import CLASSES, IMAGE, STRIDES, Output, Scene

_ASSIGNER = {"type": "MaxIoUAssigner", "pos_iou_thr": 0.1, "neg_iou_thr": 0.1, "min_pos_iou": 0, "ignore_iof_thr": -1}


class PreAssigned(NamedTuple):
    """The head's own lists: levels of anchors, its targets over all anchors, and the candidates with their rows."""

    anchors: list[Tensor]
    labels: Tensor
    label_weights: Tensor
    box_targets: Tensor
    box_weights: Tensor
    prior: Tensor
    row: Tensor


@functools.cache
def head(covariance_type: str = "diag") -> Any:
    """A PAAHead of the published configuration, narrow, since no feature ever goes through it."""
    heads, config = mmdet_stub.module("mmdet.models.dense_heads"), mmdet_stub.module("mmengine.config").ConfigDict
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the head asks itself for a property that it has renamed
        return heads.PAAHead(**_configuration(config), covariance_type=covariance_type)


def _configuration(config: Any) -> dict[str, Any]:
    return dict(
        num_classes=CLASSES,
        in_channels=8,
        feat_channels=8,
        stacked_convs=1,
        norm_cfg={"type": "GN", "num_groups": 4},
        reg_decoded_bbox=True,
        topk=9,
        anchor_generator={
            "type": "AnchorGenerator",
            "ratios": [1.0],
            "octave_base_scale": 8,
            "scales_per_octave": 1,
            "strides": list(STRIDES),
        },
        bbox_coder={"type": "DeltaXYWHBBoxCoder", "target_means": [0.0] * 4, "target_stds": [0.1, 0.1, 0.2, 0.2]},
        loss_cls={"type": "FocalLoss", "use_sigmoid": True, "gamma": 2.0, "alpha": 0.25, "loss_weight": 1.0},
        loss_bbox={"type": "GIoULoss", "loss_weight": 1.3},
        loss_centerness={"type": "CrossEntropyLoss", "use_sigmoid": True, "loss_weight": 0.5},
        train_cfg=config(assigner=_ASSIGNER, allowed_border=-1, pos_weight=-1, debug=False),
    )


def anchors(images: int, size: tuple[int, int] = IMAGE) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
    """Per image and level the anchors, and which of them lie inside an image of `size` (height, width)."""
    shapes = [(-(-IMAGE[0] // s), -(-IMAGE[1] // s)) for s in STRIDES]
    return head().get_anchors(shapes, [{"img_shape": size, "pad_shape": size}] * images, device="cpu")


def targets(boxes: list[list[Tensor]], valid: list[list[Tensor]], objects: list[Any]) -> list[PreAssigned]:
    """The head's targets of every image before any prediction; `objects` are mmengine's InstanceData."""
    metas = [{"img_shape": IMAGE, "pad_shape": IMAGE}] * len(objects)
    lists = zip(boxes, *head().get_targets(boxes, valid, objects, metas), strict=True)
    return [PreAssigned(*each) for each in lists]


def pre_assign(scene: Scene, size: tuple[int, int] = IMAGE) -> PreAssigned:
    """The head's targets of one image; anchors outside `size` take no part."""
    return targets(*anchors(1, size), [instances(scene)])[0]


def own_costs(pre: PreAssigned, output: Output) -> Tensor:
    """The cost of every candidate by the head's own loss modules, float32."""
    with torch.no_grad():
        return head().get_pos_loss(
            pre.anchors,
            output.logits,
            output.deltas,
            pre.labels,
            pre.label_weights,
            pre.box_targets,
            pre.box_weights,
            pre.prior,
        )[0]


def reassign(pre: PreAssigned, costs: Tensor, covariance_type: str = "diag") -> Tensor:
    """`paa_reassign` with its Gaussian mixture in the dtype of `costs`; our codes `[N]`."""
    labels, *_ = head(covariance_type).paa_reassign(
        costs, pre.labels, pre.label_weights, pre.box_weights, pre.prior, pre.row, pre.anchors
    )
    index = torch.full_like(pre.labels, -1)
    index[pre.prior] = pre.row
    index = torch.where(labels < CLASSES, index, -1)
    return torch.where(pre.label_weights > 0, index, -2)
