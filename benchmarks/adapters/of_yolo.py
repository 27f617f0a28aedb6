"""YOLOs of ultralytics, and YOLOX: narrow, with all their layers and points."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

import labelassign as la
from benchmarks.adapters.meter import Place
from benchmarks.adapters.scene import CLASSES, scene
from benchmarks.adapters.subject import Subject, Trainee
from labelassign.adapters.ultralytics import attach as attach_ultralytics
from labelassign.adapters.yolox import attach as attach_yolox

WIDTH = 0.125


def ultralytics(version: str, side: int, objects: int) -> Trainee:
    """A detection model; its criterion is made beforehand, because places are looked for in it."""
    from tests.adapters.yolo import config, detector

    model: Any = detector(version, **(config(version, WIDTH) | {"nc": CLASSES}))
    model.criterion = model.init_criterion()
    branches = [getattr(model.criterion, name, None) for name in ("one2many", "one2one")]
    losses = [each for each in branches if each is not None] or [model.criterion]
    batch = scene(side, objects)
    given = {
        "img": batch.pixels,
        "batch_idx": torch.arange(float(len(batch.boxes))).repeat_interleave(objects),
        "cls": torch.cat(batch.labels)[:, None].float(),
        "bboxes": torch.cat(batch.shares),
    }

    def loss() -> Tensor:
        return model.loss(dict(given))[0].sum()

    losing: list[Place] = [(part, "forward") for each in losses for part in (each.bce, each.bbox_loss)]
    assigning: list[Place] = [(each.assigner, "forward") for each in losses]
    writing: list[Place] = [(each.assigner, "get_targets") for each in losses]
    attach = partial(attach_ultralytics, model)
    return Trainee(model, loss, [(model, "forward")], losing, assigning, attach, writing)


def yolox(side: int, objects: int) -> Trainee:
    """The module; the convolutions of its head are its network, the rest of the head is loss."""
    from yolox.models import YoloPafpn, YoloxHead, YoloxModule

    torch.manual_seed(0)
    model: Any = YoloxModule(YoloPafpn(0.33, WIDTH), YoloxHead(CLASSES, WIDTH)).train()
    model.head.initialize_biases(0.01)
    batch, head = scene(side, objects), model.head
    pairs = zip(batch.labels, batch.shares, strict=True)
    labels = torch.stack([torch.cat([label[:, None].float(), side * share], 1) for label, share in pairs])
    names = ("stems", "cls_convs", "reg_convs", "cls_preds", "reg_preds", "obj_preds")
    network: list[Place] = [(model.backbone, "forward")]
    network += [(each, "forward") for name in names for each in getattr(head, name)]

    def loss() -> Tensor:
        return model(batch.pixels, labels)["total_loss"]

    losing: list[Place] = [(each, "forward") for each in (head.iou_loss, head.bcewithlog_loss)]
    return Trainee(model, loss, network, losing, [(head, "get_assignments")], partial(attach_yolox, model))


RULE = la.TaskAligned.ultralytics()
SUBJECTS = (
    Subject("ultralytics YOLOv8", "ultralytics", RULE, partial(ultralytics, "v8"), 640),
    Subject("ultralytics YOLO26", "ultralytics", RULE, partial(ultralytics, "26"), 640),
    Subject("YOLOX", "pixeltable-yolox", la.SimOTA.yolox(), yolox, 640),
)
