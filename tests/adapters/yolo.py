"""Small detectors of ultralytics, and one batch that they learn."""

import os
import tempfile

import torch

# it writes settings when it is imported, and looks for newer versions of itself
os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp())
os.environ.setdefault("YOLO_OFFLINE", "1")

from ultralytics import YOLO as YOLO
from ultralytics.cfg import get_cfg
from ultralytics.nn.tasks import DetectionModel, yaml_model_load

SIZE = (64, 96)
BOXES = torch.tensor([[8.0, 6, 44, 38], [50, 20, 90, 60], [20, 30, 52, 62], [60, 4, 72, 16]])
LABELS = torch.tensor([1, 2, 0, 1])


def config(version, width=0.0625):
    """The published architecture with narrow layers."""
    return yaml_model_load(f"yolo{version}n.yaml") | {"scales": {"n": [0.33, width, 1024]}, "nc": 3}


def detector(version, seed=0, **changes):
    """A detection model with the gains that a trainer gives it."""
    torch.manual_seed(seed)
    model = DetectionModel(config(version) | changes, verbose=False)
    model.args = get_cfg()
    return model.train()


def batch():
    """Flat rectangles on noise, with normalised boxes; the last image is empty."""
    g = torch.Generator().manual_seed(3)
    pixels = 0.1 * torch.rand(3, 3, *SIZE, generator=g)
    for (x1, y1, x2, y2), label in zip(BOXES.long().tolist(), LABELS.tolist(), strict=True):
        pixels[:-1, label, y1:y2, x1:x2] += 0.8
    sides = BOXES[:, 2:] - BOXES[:, :2]
    boxes = torch.cat([BOXES[:, :2] + sides / 2, sides], 1) / torch.tensor(SIZE[::-1]).repeat(2)
    image = torch.arange(2.0).repeat_interleave(len(LABELS))
    return {"img": pixels, "batch_idx": image, "cls": LABELS.repeat(2)[:, None].float(), "bboxes": boxes.repeat(2, 1)}


def losses(model):
    """Box, class and distance losses of the one batch."""
    return model.loss(batch())[0]


def train(model, steps, rate=1e-3, parameters=None):
    """The losses of every step of gradient descent `[steps, 3]`."""
    optimizer = torch.optim.SGD(parameters or model.parameters(), lr=rate, momentum=0.9)
    found = []
    for _ in range(steps):
        loss = losses(model)
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()
        found.append(loss.detach())
    return torch.stack(found)


def falls(found):
    """Whether the sum of the losses is finite and falls."""
    total = found.sum(1)
    return bool(total.isfinite().all() and total[-3:].mean() < total[:3].mean())
