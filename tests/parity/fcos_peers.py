"""mmdet's FCOSHead and torchvision's FCOS as functions from a scene to rows and centerness; their own code runs."""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torchvision.models.detection import FCOS
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

import labelassign as la
from tests.parity import mmdet_stub
from tests.parity.mmdet_peers import instances
from tests.parity.scenes import CLASSES, STRIDES, Scene

Size = tuple[int, int]
RANGES = ((-1, 64), (64, 128), (128, 256), (256, 512), (512, 1e8))


class Found(NamedTuple):
    """The priors in our form; row of every prior (-1: background) and its centerness (0 where background), `[N]`."""

    priors: la.Priors
    row: Tensor
    centerness: Tensor


@functools.cache
def head(center_sampling: bool = False, radius: float = 1.5) -> Any:
    """A narrow FCOSHead: no feature ever goes through it."""
    options = {"num_classes": CLASSES, "in_channels": 8, "feat_channels": 8, "stacked_convs": 1, "strides": STRIDES}
    norm = {"type": "GN", "num_groups": 4}
    heads = mmdet_stub.module("mmdet.models.dense_heads")
    sampling = {"center_sampling": center_sampling, "center_sample_radius": radius}
    return heads.FCOSHead(**options, **sampling, norm_cfg=norm, regress_ranges=RANGES)


def padded(size: Size) -> Size:
    """Both systems pad a batch to multiples of 32."""
    return -(-size[0] // 32) * 32, -(-size[1] // 32) * 32


def shapes(size: Size) -> list[Size]:
    height, width = padded(size)
    return [(-(-height // s), -(-width // s)) for s in STRIDES]


def mmdet(scene: Scene, size: Size, **options: Any) -> Found:
    """`FCOSHead.get_targets` and `centerness_target`; rows are recovered through labels that count objects."""
    model = head(**options)
    points = model.prior_generator.grid_priors(shapes(size), device="cpu")
    data = instances(scene)
    data.labels = torch.arange(len(scene.boxes))  # the head copies labels, whatever their number
    model.num_classes = len(scene.boxes)  # background
    try:
        labels, boxes = model.get_targets(points, [data])
    finally:
        model.num_classes = CLASSES
    row, distances = torch.cat(labels), torch.cat(boxes)
    row = torch.where(row == len(scene.boxes), -1, row)
    found = torch.zeros(len(row))
    found[row >= 0] = model.centerness_target(distances[row >= 0])
    own = la.Priors.points(image_size=padded(size), strides=STRIDES)
    assert torch.equal(torch.cat(points), own.boxes[:, :2])
    return Found(own, row, found)


@functools.cache
def model() -> FCOS:
    """torchvision's FCOS with the anchors of `fcos_resnet50_fpn`, narrow and without a backbone worth the name."""
    body = torch.nn.Module()
    body.out_channels = 32
    anchors = AnchorGenerator(tuple((s,) for s in STRIDES), ((1.0,),) * len(STRIDES))
    return FCOS(body, num_classes=CLASSES, anchor_generator=anchors)


class _Caught(TorchFunctionMode):
    """Keeps the centerness target that `FCOSHead.compute_loss` hands to its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.target = torch.zeros(0)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # the focal loss calls it with logits of every class; the centerness comes last
        if getattr(func, "__name__", "") == "binary_cross_entropy_with_logits":
            self.target = args[1].clone()
        return func(*args, **(kwargs or {}))


def torchvision(scene: Scene, size: Size) -> Found:
    """`FCOS.compute_loss` with the model's own anchors; what it hands to its head is kept."""
    detector = model()
    grids = shapes(size)
    anchors = detector.anchor_generator(
        ImageList(torch.zeros(1, 3, *padded(size)), [size]), [torch.zeros(1, 32, *shape) for shape in grids]
    )
    counts, n, kept = [h * w for h, w in grids], anchors[0].shape[0], {}
    outputs = {"cls_logits": torch.zeros(1, n, CLASSES), "bbox_regression": torch.zeros(1, n, 4)}
    outputs["bbox_ctrness"] = torch.zeros(1, n, 1)
    whole = detector.head.compute_loss

    def compute_loss(targets: Any, head_outputs: Any, boxes: Any, matched: list[Tensor]) -> Any:
        kept["row"] = matched[0]
        return whole(targets, head_outputs, boxes, matched)

    detector.head.compute_loss = compute_loss
    try:
        with _Caught() as caught, torch.no_grad():
            detector.compute_loss([{"boxes": scene.boxes, "labels": scene.labels}], outputs, anchors, counts)
    finally:
        detector.head.compute_loss = whole
    found = torch.zeros(n)
    found[kept["row"] >= 0] = caught.target
    boxes = anchors[0]
    own = la.Priors.from_boxes(boxes, level_sizes=counts, strides=boxes[:, 2] - boxes[:, 0])
    return Found(own, kept["row"], found)
