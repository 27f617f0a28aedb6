"""Networks that learn in seconds, and one batch that they learn."""

from collections import OrderedDict

import torch
from torch import nn
from torchvision.models.detection import FCOS, FasterRCNN, RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor, TwoMLPHead
from torchvision.models.detection.ssd import SSD, SSDHead
from torchvision.ops import MultiScaleRoIAlign

SIZE = (96, 128)


class Backbone(nn.Module):
    """Three maps of strides 8, 16 and 32."""

    def __init__(self, channels=16):
        super().__init__()
        self.out_channels = channels
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 8, 8), nn.BatchNorm2d(channels), nn.ReLU())
        self.down = nn.ModuleList(nn.Conv2d(channels, channels, 3, 2, 1) for _ in range(2))

    def forward(self, x):
        maps = [self.stem(x)]
        for layer in self.down:
            maps.append(layer(maps[-1].relu()))
        return OrderedDict((str(i), each) for i, each in enumerate(maps))


def images(count=2):
    """Flat rectangles on noise, and what they are; the last image is empty."""
    g = torch.Generator().manual_seed(3)
    boxes = torch.tensor([[8.0, 10, 50, 44], [64, 30, 118, 90], [20, 52, 52, 92]])
    labels = torch.tensor([1, 2, 1])
    pixels = 0.1 * torch.rand(count, 3, *SIZE, generator=g)
    for (x1, y1, x2, y2), label in zip(boxes.long().tolist(), labels.tolist(), strict=True):
        pixels[:-1, label, y1:y2, x1:x2] += 0.8
    full = {"boxes": boxes, "labels": labels}
    return list(pixels), [full] * (count - 1) + [{"boxes": torch.zeros(0, 4), "labels": torch.zeros(0).long()}]


def torchvision_model(kind, seed=0, sides=(24, 48, 96)):
    """A small detector of 2 classes beside the background."""
    torch.manual_seed(seed)
    size = {"min_size": SIZE[0], "max_size": SIZE[1]}
    anchors = AnchorGenerator(tuple((s,) for s in sides), ((0.5, 1.0, 2.0),) * 3)
    if kind == "RetinaNet":
        return RetinaNet(Backbone(), 3, anchor_generator=anchors, **size)
    if kind == "FCOS":
        points = AnchorGenerator(((8,), (16,), (32,)), ((1.0,),) * 3)
        return FCOS(Backbone(32), 3, anchor_generator=points, **size)
    if kind == "SSD":
        boxes = DefaultBoxGenerator([[2]] * 3)
        head = SSDHead([16] * 3, boxes.num_anchors_per_location(), 3)
        return SSD(Backbone(), boxes, SIZE[::-1], 3, head=head)
    pool = MultiScaleRoIAlign(["0", "1", "2"], 7, 2)
    head, last = TwoMLPHead(16 * 7 * 7, 32), FastRCNNPredictor(32, 3)
    parts = {"box_roi_pool": pool, "box_head": head, "box_predictor": last}
    return FasterRCNN(Backbone(), None, rpn_anchor_generator=anchors, **parts, **size)


def losses(model, seed=0):
    """Of the one batch; the seed is for what samples."""
    torch.manual_seed(seed)
    pixels, targets = images()
    return model(pixels, [dict(each) for each in targets])


def train(model, steps, rate=1e-2, parameters=None):
    """Total loss of every step of gradient descent."""
    optimizer = torch.optim.SGD(parameters or model.parameters(), lr=rate, momentum=0.9)
    found = []
    for step in range(steps):
        total = sum(losses(model, step).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        found.append(float(total.detach()))
    return found
