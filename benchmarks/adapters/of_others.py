"""effdet's EfficientDet and MONAI's RetinaNet."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor

import labelassign as la
from benchmarks.adapters.meter import Place
from benchmarks.adapters.scene import CLASSES, Maps, scene
from benchmarks.adapters.subject import Subject, Trainee
from labelassign.adapters.effdet import attach as attach_effdet
from labelassign.adapters.monai import attach as attach_monai


def effdet(side: int, objects: int) -> Trainee:
    """Nine anchors in every cell of five levels."""
    from effdet import DetBenchTrain, EfficientDet, get_efficientdet_config

    torch.manual_seed(0)
    config = get_efficientdet_config("efficientdet_d0")
    body = {"backbone_name": "mobilenetv3_small_050", "backbone_args": {}, "fpn_channels": 32, "fpn_cell_repeats": 1}
    config.update({**body, "image_size": (side, side), "num_classes": CLASSES})
    model: Any = DetBenchTrain(EfficientDet(config, pretrained_backbone=False)).train()
    batch = scene(side, objects)
    boxes = torch.stack(batch.boxes)[..., [1, 0, 3, 2]]
    count = len(batch.boxes)
    target = {"bbox": boxes, "cls": torch.stack(batch.labels) + 1, "img_scale": torch.ones(count)}
    target["img_size"] = torch.tensor([[side, side]] * count)

    def loss() -> Tensor:
        return model(batch.pixels, dict(target))["loss"]

    inner = model.anchor_labeler.target_assigner
    assigning: list[Place] = [(inner._similarity_calc, "compare"), (inner._matcher, "match")]
    losing: list[Place] = [(model.loss_fn, "forward")]
    return Trainee(model, loss, [(model.model, "forward")], losing, assigning, partial(attach_effdet, model))


def monai(side: int, objects: int) -> Trainee:
    """Three anchors in every cell of three levels."""
    from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
    from monai.apps.detection.networks.retinanet_network import RetinaNet
    from monai.apps.detection.utils.anchor_utils import AnchorGeneratorWithAnchorShape

    torch.manual_seed(0)
    shapes = [(32, 32), (32, 64), (64, 32)]
    anchors = AnchorGeneratorWithAnchorShape([1, 2, 4], base_anchor_shapes=shapes)
    model: Any = RetinaNetDetector(RetinaNet(2, CLASSES, 3, Maps(32, 3), [32, 32]), anchors).train()
    model.set_regular_matcher(0.5, 0.4)
    batch = scene(side, objects)
    targets = [{"boxes": b, "labels": n} for b, n in zip(batch.boxes, batch.labels, strict=True)]

    def loss() -> Tensor:
        return sum(model(list(batch.pixels), [dict(each) for each in targets]).values(), torch.zeros(()))

    losing: list[Place] = [(model, name) for name in ("compute_cls_loss", "compute_box_loss")]
    assigning: list[Place] = [(model, "compute_anchor_matched_idxs")]
    return Trainee(model, loss, [(model.network, "forward")], losing, assigning, partial(attach_monai, model))


EFFDET = la.MaxIoU(0.5, 0.5, zero_rescues=True, all_ties=False, ignore_iof=None)
MONAI = la.MaxIoU(0.5, 0.4, "restore_argmax", zero_rescues=True, ignore_iof=None)
SUBJECTS = (
    Subject("effdet EfficientDet", "effdet", EFFDET, effdet, 384),
    Subject("MONAI RetinaNet", "monai", MONAI, monai, 320),
)
