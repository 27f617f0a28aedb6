"""torchvision's detectors."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet, roi_heads, ssd
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.ops import MultiScaleRoIAlign
from torchvision.ops import boxes as box_ops

import labelassign as la
from benchmarks.adapters.meter import Place
from benchmarks.adapters.scene import CLASSES, Trunk, scene
from benchmarks.adapters.subject import Subject, Trainee
from labelassign.adapters.torchvision import attach

CHANNELS = 32
SIDES = (32, 64, 128, 256, 512)
RATIOS = ((0.5, 1.0, 2.0),) * 5


def _loss(model: Any, side: int, objects: int, first: int = 0) -> Any:
    """Of one batch, whose classes begin at `first`."""
    batch = scene(side, objects)
    targets = [{"boxes": b, "labels": n + first} for b, n in zip(batch.boxes, batch.labels, strict=True)]

    def loss() -> Tensor:
        return sum(model(list(batch.pixels), [dict(each) for each in targets]).values(), torch.zeros(()))

    return loss


def _network(model: Any) -> list[Place]:
    return [(model.transform, "forward"), (model.backbone, "forward"), (model.head, "forward")]


def _matching(stage: Any) -> list[Place]:
    return [(box_ops, "box_iou"), (stage, "proposal_matcher")]


def retina(side: int, objects: int) -> Trainee:
    """Nine anchors in every cell of five levels."""
    torch.manual_seed(0)
    scales = tuple((s, int(s * 2 ** (1 / 3)), int(s * 2 ** (2 / 3))) for s in SIDES)
    anchors = AnchorGenerator(scales, RATIOS)
    model = RetinaNet(Trunk(CHANNELS), CLASSES, anchor_generator=anchors, min_size=side, max_size=side)
    loss, losing = _loss(model.train(), side, objects), [(model.head, "compute_loss")]
    return Trainee(model, loss, _network(model), losing, _matching(model), partial(attach, model))


def fcos(side: int, objects: int) -> Trainee:
    """A point in every cell of five levels."""
    torch.manual_seed(0)
    points = AnchorGenerator(tuple((s,) for s in (8, 16, 32, 64, 128)), ((1.0,),) * 5)
    model = FCOS(Trunk(CHANNELS), CLASSES, anchor_generator=points, min_size=side, max_size=side)
    loss, losing = _loss(model.train(), side, objects), [(model.head, "compute_loss")]
    decides = [(model, "compute_loss")]  # all but what it leaves to the head
    return Trainee(model, loss, _network(model), losing, decides, partial(attach, model), losing)


def single_shot(side: int, objects: int) -> Trainee:
    """The boxes of SSD300; it matches before it asks for the losses."""
    torch.manual_seed(0)
    boxes = DefaultBoxGenerator([[2], [2, 3], [2, 3], [2, 3], [2], [2]])
    head = ssd.SSDHead([CHANNELS] * 6, boxes.num_anchors_per_location(), CLASSES + 1)
    model = ssd.SSD(Trunk(CHANNELS, 6), boxes, (side, side), CLASSES + 1, head=head)
    loss, losing = _loss(model.train(), side, objects, 1), [(ssd.SSD, "compute_loss")]
    return Trainee(model, loss, _network(model), losing, _matching(model), partial(attach, model))


def faster_rcnn(side: int, objects: int) -> Trainee:
    """Three anchors in every cell of five levels from stride 4 on, and its box head."""
    torch.manual_seed(0)
    pool = MultiScaleRoIAlign(["0", "1", "2", "3"], 7, 2)
    head, last = TwoMLPHead(CHANNELS * 49, 128), FastRCNNPredictor(128, CLASSES + 1)
    parts = {"box_roi_pool": pool, "box_head": head, "box_predictor": last}
    anchors = AnchorGenerator(tuple((s,) for s in SIDES), RATIOS)
    trunk = Trunk(CHANNELS, 5, 4)
    model = FasterRCNN(trunk, None, rpn_anchor_generator=anchors, min_size=side, max_size=side, **parts)
    network: list[Place] = [(model.transform, "forward"), (model.backbone, "forward"), (model.rpn.head, "forward")]
    network += [(model.rpn, "filter_proposals"), *((part, "forward") for part in (pool, head, last))]
    losing: list[Place] = [(model.rpn, "compute_loss"), (roi_heads, "fastrcnn_loss")]
    assigning = [*_matching(model.rpn), (model.rpn, "box_similarity"), (model.roi_heads, "proposal_matcher")]

    def both(rule: la.Assigner) -> Any:
        handle: Any = attach(model.rpn, rule)
        handle.second = attach(model.roi_heads, la.MaxIoU.rcnn())
        return handle

    return Trainee(model, _loss(model.train(), side, objects, 1), network, losing, assigning, both)


SUBJECTS = (
    Subject("torchvision RetinaNet", "torchvision", la.MaxIoU.retinanet(), retina, 320),
    Subject("torchvision FCOS", "torchvision", la.FCOS.torchvision(), fcos, 512),
    Subject("torchvision SSD300", "torchvision", la.MaxIoU.ssd(), single_shot, 300),
    Subject("torchvision Faster R-CNN, both stages", "torchvision", la.MaxIoU.rpn(), faster_rcnn, 320),
)
