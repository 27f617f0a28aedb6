"""Small detectors of mmdet, and one batch that they learn."""

import functools
import warnings

import torch
from torch import nn
from torchvision.ops import deform_conv2d

from tests.adapters.networks import SIZE, Backbone, images
from tests.parity import mmdet_stub

STRIDES = [8, 16, 32]
FOCAL = {"type": "FocalLoss", "use_sigmoid": True, "gamma": 2.0, "alpha": 0.25, "loss_weight": 1.0}
GIOU = {"type": "GIoULoss", "loss_weight": 1.3}
SIGMOID = {"type": "CrossEntropyLoss", "use_sigmoid": True, "loss_weight": 0.5}
CODER = {"type": "DeltaXYWHBBoxCoder", "target_means": [0.0] * 4, "target_stds": [0.1, 0.1, 0.2, 0.2]}
ONE = {"type": "AnchorGenerator", "ratios": [1.0], "octave_base_scale": 4, "scales_per_octave": 1, "strides": STRIDES}
NINE = ONE | {"ratios": [0.5, 1.0, 2.0], "scales_per_octave": 3}
GROUPS = {"type": "GN", "num_groups": 4}


class Maps(nn.Module):
    """The maps of the backbone, as mmdet's heads take them."""

    def __init__(self):
        super().__init__()
        self.body = Backbone()

    def forward(self, x):
        return tuple(self.body(x).values())


def rule(name, **options):
    return {"assigner": {"type": name, **options}, "allowed_border": -1, "pos_weight": -1, "debug": False}


MAX_IOU = {"min_pos_iou": 0, "ignore_iof_thr": -1}
MIXTURE = {"reg_decoded_bbox": True, "loss_bbox": GIOU, "loss_centerness": SIGMOID, "norm_cfg": GROUPS}
HEADS = {
    "RetinaHead": {
        "anchor_generator": NINE,
        "bbox_coder": CODER | {"target_stds": [1.0] * 4},
        "loss_bbox": {"type": "L1Loss", "loss_weight": 1.0},
        "train_cfg": rule("MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.4, **MAX_IOU),
    },
    "ATSSHead": {
        "anchor_generator": ONE,
        "bbox_coder": CODER,
        "norm_cfg": GROUPS,
        "reg_decoded_bbox": True,
        "loss_bbox": GIOU,
        "train_cfg": rule("ATSSAssigner", topk=9),
    },
    "PAAHead": MIXTURE
    | {
        "anchor_generator": ONE,
        "bbox_coder": CODER,
        "train_cfg": rule("MaxIoUAssigner", pos_iou_thr=0.1, neg_iou_thr=0.1, **MAX_IOU),
    },
    "TOODHead": {
        "anchor_generator": ONE,
        "bbox_coder": CODER,
        "norm_cfg": GROUPS,
        "initial_loss_cls": FOCAL | {"activated": True},
        "loss_cls": {"type": "QualityFocalLoss", "use_sigmoid": True, "activated": True, "beta": 2.0},
        "loss_bbox": GIOU,
        "stacked_convs": 2,
        "train_cfg": rule("TaskAlignedAssigner", topk=13)
        | {"initial_epoch": 4, "initial_assigner": {"type": "ATSSAssigner", "topk": 9}, "alpha": 1, "beta": 6},
    },
    "RTMDetHead": {
        "with_objectness": False,
        "anchor_generator": {"type": "MlvlPointGenerator", "offset": 0, "strides": STRIDES},
        "bbox_coder": {"type": "DistancePointBBoxCoder"},
        "norm_cfg": {"type": "BN"},
        "loss_cls": {"type": "QualityFocalLoss", "use_sigmoid": True, "beta": 2.0},
        "loss_bbox": GIOU,
        "train_cfg": rule("DynamicSoftLabelAssigner", topk=13),
    },
}
HEADS["LADHead"] = HEADS["PAAHead"]


@functools.cache
def registry():
    models = mmdet_stub.module("mmdet.registry").MODELS
    mmdet_stub.module("mmdet.models")
    mmdet_stub.module("mmdet.utils").register_all_modules(init_default_scope=True)
    mmdet_stub.module("mmengine.logging").MMLogger.get_current_instance().setLevel("ERROR")
    models.register_module(name="SmallMaps", module=Maps)
    return models


def prepare_tood(epoch, patch):
    """mmcv's only operator in a TOODHead is compiled; torchvision has the same one. Its rule depends on the epoch."""

    def sample(x, offset, weight, stride, padding, dilation, _, __):
        return deform_conv2d(x, offset, weight, None, stride, padding, dilation)

    registry()
    patch.setattr(mmdet_stub.module("mmdet.models.dense_heads.tood_head"), "deform_conv2d", sample)
    mmdet_stub.module("mmengine.logging").MessageHub.get_current_instance().update_info("epoch", epoch)


def head(kind, **options):
    config = {"type": kind, "num_classes": 2, "in_channels": 16, "feat_channels": 16, "stacked_convs": 1}
    return config | {"loss_cls": FOCAL} | HEADS[kind] | options


def config_of(kind, **options):
    """Of a one-stage detector of 2 classes, or mmdet's LAD."""
    config = {"type": "SingleStageDetector", "backbone": {"type": "SmallMaps"}, "bbox_head": head(kind, **options)}
    train_cfg = config["bbox_head"].pop("train_cfg")
    if kind == "LADHead":
        teacher = {"teacher_backbone": {"type": "SmallMaps"}, "teacher_neck": None}
        config |= {"type": "LAD", "neck": None, **teacher, "teacher_bbox_head": dict(config["bbox_head"])}
    return mmdet_stub.module("mmengine.config").ConfigDict(**config, train_cfg=train_cfg)


def mmdet_model(kind, seed=0, **options):
    """That detector, in training."""
    models = registry()
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PAAHead asks itself for a property that it has renamed
        made = models.build(config_of(kind, **options))
        made.init_weights()  # the classes begin at a probability of 0.01
    made.train()
    return made


def batch(ignored=False, sizes=None):
    """The pixels and the samples of one batch."""
    pixels, targets = images()
    sample = mmdet_stub.module("mmdet.structures").DetDataSample
    data = mmdet_stub.module("mmengine.structures").InstanceData
    found = []
    for i, each in enumerate(targets):
        size = SIZE if sizes is None else sizes[i]
        one = sample(metainfo={"img_shape": size, "pad_shape": size, "batch_input_shape": SIZE})
        one.gt_instances = data(bboxes=each["boxes"], labels=each["labels"] - 1)
        last = each["boxes"][2:] if ignored else each["boxes"][:0]
        if ignored:
            one.gt_instances = one.gt_instances[:2]
        one.ignored_instances = data(bboxes=last)
        found.append(one)
    return torch.stack(pixels), found


def losses(model, given=None):
    """Of the one batch, summed over levels."""
    found = model(*(given or batch()), mode="loss")
    return {name: sum(each) if isinstance(each, (list, tuple)) else each for name, each in found.items()}


def values(found):
    return {name: float(each.detach()) for name, each in found.items()}


def train(model, steps, rate=1e-2, parameters=None, given=None):
    """Total loss of every step of gradient descent."""
    optimizer = torch.optim.SGD(parameters or model.parameters(), lr=rate, momentum=0.9)
    found = []
    for _ in range(steps):
        total = sum(losses(model, given).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        found.append(float(total.detach()))
    return found
