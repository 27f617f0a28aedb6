"""Small models of the stand-in for detectron2, and one batch that they learn; import from it with the fixture alone."""

import torch
from torch import nn

from tests.adapters.networks import SIZE, images
from tests.adapters.networks import Backbone as Maps

CLASSES = 3
STRIDES = {"p3": 8, "p4": 16, "p5": 32}
STAGES = ("RPN", "ROIHeads")


class Named(nn.Module):
    """The maps of the backbone by detectron2's names, on sides that are divisible by 32.

    It has what detectron2/modeling/backbone/backbone.py asks for, read at 17072dffd61161ee0ac4b5f5056ef4041fc2971d.
    """

    size_divisibility = 32

    def __init__(self):
        super().__init__()
        self.body = Maps(32)

    def forward(self, x):
        return dict(zip(STRIDES, self.body(x).values(), strict=True))

    def output_shape(self):
        from detectron2.layers import ShapeSpec

        return {name: ShapeSpec(channels=32, stride=stride) for name, stride in STRIDES.items()}


def anchored(thresholds, sides):
    """Anchors, their coder and their matcher."""
    from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
    from detectron2.modeling.box_regression import Box2BoxTransform
    from detectron2.modeling.matcher import Matcher

    sizes, strides = [[side] for side in sides], list(STRIDES.values())
    return {
        "anchor_generator": DefaultAnchorGenerator(sizes=sizes, aspect_ratios=[0.5, 1.0, 2.0], strides=strides),
        "box2box_transform": Box2BoxTransform(weights=(1.0, 1.0, 1.0, 1.0)),
        "anchor_matcher": Matcher(thresholds, [0, -1, 1], allow_low_quality_matches=True),
    }


def make(kind, seed=0, sides=(24, 48, 96), classes=CLASSES, **options):
    """A small model: "RetinaNet", "FCOS", "RPN" (a network that proposes) or "ROIHeads" (a stage alone)."""
    from detectron2.modeling.matcher import Matcher
    from detectron2.modeling.meta_arch.fcos import FCOS, FCOSHead
    from detectron2.modeling.meta_arch.rcnn import ProposalNetwork
    from detectron2.modeling.meta_arch.retinanet import RetinaNet, RetinaNetHead
    from detectron2.modeling.proposal_generator.rpn import RPN, StandardRPNHead
    from detectron2.modeling.roi_heads.roi_heads import ROIHeads

    torch.manual_seed(seed)
    body = Named()
    whole = {"backbone": body, "pixel_mean": [0.1] * 3, "pixel_std": [0.5] * 3}
    head = {"input_shape": list(body.output_shape().values()), "num_classes": classes, "conv_dims": [32]}
    if kind == "RetinaNet":
        parts = anchored([0.4, 0.5], sides) | options
        head = RetinaNetHead(num_anchors=3, **head)
        return RetinaNet(head=head, head_in_features=list(STRIDES), num_classes=classes, **whole, **parts)
    if kind == "FCOS":
        head = FCOSHead(**head)
        nn.init.constant_(head.bbox_pred.bias, 2.0)  # strides; at 0 a new network's distances have no gradient
        return FCOS(head=head, num_classes=classes, **whole, **options)
    if kind == "ROIHeads":
        matcher = Matcher([0.5], [0, 1])
        drawn = {"batch_size_per_image": 32, "positive_fraction": 0.25}
        return ROIHeads(num_classes=classes, proposal_matcher=matcher, **drawn | options)
    drawn = {"batch_size_per_image": 64, "positive_fraction": 0.5, "pre_nms_topk": (50, 20), "post_nms_topk": (20, 10)}
    head = StandardRPNHead(in_channels=32, num_anchors=3)
    stage = RPN(in_features=list(STRIDES), head=head, **anchored([0.3, 0.7], sides), **drawn | options)
    return ProposalNetwork(proposal_generator=stage, **whole)


def place(model):
    """Where an assigner is attached: the model itself, or its stage."""
    return getattr(model, "proposal_generator", model)


def instances():
    """The objects of the one batch."""
    from detectron2.structures import Boxes, Instances

    sizes = [SIZE, (90, 120)]
    pairs = zip(images()[1], sizes, strict=True)
    return [Instances(size, gt_boxes=Boxes(t["boxes"]), gt_classes=t["labels"]) for t, size in pairs]


def batch():
    """What a loader of detectron2 gives: the second image is smaller and empty."""
    found = instances()
    pixels = [each[:, :h, :w] for each, (h, w) in zip(images()[0], (x.image_size for x in found), strict=True)]
    return [{"image": each, "instances": x} for each, x in zip(pixels, found, strict=True)]


def losses(model, seed=0):
    """Of the one batch; the seed is for what samples."""
    from detectron2.utils.events import EventStorage

    torch.manual_seed(seed)
    with EventStorage():
        return model(batch())


def train(model, steps, rate=1e-2, steady=False):
    """Total loss of every step of gradient descent; `steady` takes away the moving average that divides it."""
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    found = []
    for step in range(steps):
        for each in model.modules():
            if steady and hasattr(each, "losses"):
                each.loss_normalizer = 20.0
        total = sum(losses(model, step).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        found.append(float(total.detach()))
    return found
