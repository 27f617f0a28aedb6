"""mmdet's heads, of their published depth and anchors, over a small trunk."""

from __future__ import annotations

import warnings
from functools import cache, partial
from typing import Any
from unittest.mock import MagicMock

import torch
from torch import Tensor

import labelassign as la
from benchmarks.adapters.meter import Place
from benchmarks.adapters.scene import CLASSES, Maps, scene
from benchmarks.adapters.subject import Subject, Trainee
from tests.adapters.mmdet_models import NINE, ONE, config_of, prepare_tood, registry
from tests.parity import mmdet_stub

CHANNELS = 32
STRIDES = [8, 16, 32, 64, 128]
POINTS = {"type": "MlvlPointGenerator", "offset": 0, "strides": STRIDES}
PRIORS = {"RetinaHead": NINE | {"strides": STRIDES}, "RTMDetHead": POINTS}
SEEDS = {("PAAHead", 60): 5, ("LADHead", 60): 2}  # scenes in which scikit-learn neither fails nor decides otherwise
DEPTHS = {"TOODHead": 6, "RTMDetHead": 2}


@cache
def _registry() -> Any:
    models = registry()
    models.register_module(name="BenchmarkTrunk", module=Maps)
    patched: Any = MagicMock()
    patched.setattr = setattr  # for as long as the process lives
    prepare_tood(4, patched)  # TOOD's own rule begins with its fourth epoch
    return models


def _model(kind: str) -> Any:
    torch.manual_seed(0)
    priors = PRIORS.get(kind, ONE | {"strides": STRIDES, "octave_base_scale": 8})
    sizes = {"num_classes": CLASSES, "in_channels": CHANNELS, "feat_channels": 2 * CHANNELS}
    config = config_of(kind, **sizes, stacked_convs=DEPTHS.get(kind, 4), anchor_generator=priors)
    config |= {name: {"type": "BenchmarkTrunk"} for name in ("backbone", "teacher_backbone") if name in config}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PAAHead asks itself for a property that it has renamed
        made = _registry().build(mmdet_stub.module("mmengine.config").ConfigDict(config))
        made.init_weights()
    made.train()  # which gives nothing in LAD
    _speak(made)
    return made


@torch.no_grad()
def _speak(model: Any) -> None:
    """Networks that are new say the same of all anchors, and scikit-learn's mixtures of equal costs collapse."""
    for name, weight in model.named_parameters():
        if name.endswith(("atss_cls.weight", "atss_reg.weight")):
            weight.mul_(10)


def _loss(model: Any, side: int, objects: int, seed: int) -> Any:
    batch = scene(side, objects, seed)
    sample, data = mmdet_stub.module("mmdet.structures").DetDataSample, mmdet_stub.module("mmengine.structures")
    size, found = (side, side), []
    for boxes, labels in zip(batch.boxes, batch.labels, strict=True):
        one = sample(metainfo={"img_shape": size, "pad_shape": size, "batch_input_shape": size})
        one.gt_instances = data.InstanceData(bboxes=boxes, labels=labels)
        one.ignored_instances = data.InstanceData(bboxes=boxes[:0])
        found.append(one)

    def loss() -> Tensor:
        parts = model(batch.pixels, found, mode="loss").values()
        return sum((sum(each) if isinstance(each, list) else each for each in parts), torch.zeros(()))

    return loss


def _places(kind: str, model: Any) -> tuple[list[Place], ...]:
    """The network, what loses, and what decides."""
    head, names = model.bbox_head, ("loss_cls", "initial_loss_cls", "loss_bbox", "loss_centerness")
    losing: list[Place] = [(getattr(head, name), "forward") for name in names if getattr(head, name, None) is not None]
    network: list[Place] = [(model.backbone, "forward"), (head, "forward")]
    if kind == "LADHead":
        teacher = model.teacher_model
        network += [(teacher.backbone, "forward"), (teacher.bbox_head, "forward")]
        head = teacher.bbox_head
    if kind in ("PAAHead", "LADHead"):
        return network, losing, [(head.assigner, "assign"), (head, "get_pos_loss"), (head, "paa_reassign")]
    return network, losing, [(head.alignment_assigner if kind == "TOODHead" else head.assigner, "assign")]


def made(kind: str, side: int, objects: int) -> Trainee:
    """That detector."""
    _registry()
    from labelassign.adapters.mmdet import attach  # imports mmdet, which the line before makes importable

    model = _model(kind)
    loss = _loss(model, side, objects, SEEDS.get((kind, objects), 0))
    return Trainee(model, loss, *_places(kind, model), partial(attach, model))


SUBJECTS = (
    Subject("mmdet RetinaHead", "mmdet", la.MaxIoU.mmdet_retinanet(), partial(made, "RetinaHead"), 320),
    Subject("mmdet ATSSHead", "mmdet", la.ATSS.mmdet(), partial(made, "ATSSHead"), 512),
    Subject("mmdet PAAHead", "mmdet", la.PAA.mmdet(), partial(made, "PAAHead"), 512, (20, 60)),
    Subject("mmdet LAD", "mmdet", la.LAD(la.PAA.mmdet()), partial(made, "LADHead"), 512, (20, 60)),
    Subject("mmdet TOODHead", "mmdet", la.TaskAligned.tood(), partial(made, "TOODHead"), 512),
    Subject("mmdet RTMDetHead", "mmdet", la.DynamicSoftLabel.rtmdet(), partial(made, "RTMDetHead"), 512),
)
