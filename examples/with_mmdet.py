"""mmdet's PAA detector on real tree crowns: its own rule, TaskAligned, and LAD with a teacher, by one line each.

Run it: `python -m examples.with_mmdet`, where mmcv has its compiled operators
(without them: `python -m tests.examples.on_mmcv_lite examples.with_mmdet`).
"""

from __future__ import annotations

from typing import Any

import torch
from mmdet.registry import MODELS
from mmdet.structures import DetDataSample
from mmdet.utils import register_all_modules
from mmengine.config import ConfigDict
from mmengine.logging import MMLogger
from mmengine.structures import InstanceData
from torch import Tensor, nn

import labelassign as la
from examples.common import SIZE, crops, learn, steps_asked
from labelassign.adapters.mmdet import attach

STRIDES, CHANNELS = [8, 16, 32], 64
NORM = {"type": "GN", "num_groups": 16}
GRID = {"type": "AnchorGenerator", "ratios": [1.0], "octave_base_scale": 4, "scales_per_octave": 1, "strides": STRIDES}
SIGMOID = {"type": "CrossEntropyLoss", "use_sigmoid": True, "loss_weight": 0.5}
CANDIDATES = {"type": "MaxIoUAssigner", "pos_iou_thr": 0.1, "neg_iou_thr": 0.1, "min_pos_iou": 0}
HEAD = {"type": "PAAHead", "num_classes": 1, "in_channels": CHANNELS, "feat_channels": CHANNELS, "stacked_convs": 1}
HEAD |= {"anchor_generator": GRID, "norm_cfg": NORM, "reg_decoded_bbox": True, "loss_centerness": SIGMOID}
CONFIG = ConfigDict(
    type="SingleStageDetector",
    backbone={"type": "ResNet", "depth": 18, "base_channels": 16, "norm_cfg": NORM | {"num_groups": 8}},
    neck={"type": "FPN", "in_channels": [32, 64, 128], "out_channels": CHANNELS, "num_outs": 3},
    bbox_head=HEAD | {"loss_bbox": {"type": "GIoULoss", "loss_weight": 1.3}},
    train_cfg={"assigner": CANDIDATES, "allowed_border": -1, "pos_weight": -1},
)
CONFIG.backbone.out_indices = (1, 2, 3)


def network() -> nn.Module:
    """A small PAA detector; nothing in its configuration knows of this library."""
    torch.manual_seed(0)
    model = MODELS.build(CONFIG)
    model.init_weights()
    model.train()
    return model


def samples(found: list[dict[str, Any]]) -> list[DetDataSample]:
    """Objects as mmdet has them; trees that the border cuts are ignored."""
    images = []
    for each in found:
        boxes, labels, cut = (torch.as_tensor(each[name]) for name in ("boxes", "labels", "ignore"))
        one = DetDataSample(metainfo={"img_shape": (SIZE, SIZE), "pad_shape": (SIZE, SIZE)})
        one.gt_instances = InstanceData(bboxes=boxes[~cut], labels=labels[~cut])
        one.ignored_instances = InstanceData(bboxes=boxes[cut])
        images.append(one)
    return images


def main() -> None:
    """Train once with each assigner, from the same start; the first network teaches the last."""
    steps = steps_asked(__doc__, 20)
    register_all_modules()
    MMLogger.get_current_instance().setLevel("WARNING")  # it would list every weight
    pixels, found = crops()
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1

    def loss(model: nn.Module) -> Tensor:
        return model.parse_losses(model(images, samples(found), mode="loss"))[0]

    teacher = network()
    for model, assigner, options in (
        (teacher, la.PAA.mmdet(), {}),
        (network(), la.TaskAligned(), {}),
        (network(), la.LAD(la.PAA()), {"teacher": teacher, "box_weight": "none"}),
    ):
        with attach(model, assigner, **options) as handle:
            learn(handle, loss, steps, 1e-3)


if __name__ == "__main__":
    main()
