"""YOLOX on real tree crowns: its own rule, TaskAligned, and LAD with a teacher, by one line each.

Run it: `python -m examples.with_yolox`
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import box_convert
from yolox.models import YoloPafpn, YoloxHead, YoloxModule

import labelassign as la
from examples.common import crops, learn, steps_asked
from labelassign.adapters.yolox import attach


def network() -> YoloxModule:
    """A narrow YOLOX; nothing in it knows of this library."""
    torch.manual_seed(0)
    model = YoloxModule(YoloPafpn(0.33, 0.25), YoloxHead(2, 0.25))
    model.head.initialize_biases(0.01)
    return model.train()


def padded(found: list[dict]) -> Tensor:
    """Labels as YOLOX wants them: class, centre, sides; it counts rows whose sum is not 0, so trees are class 1."""
    labels = torch.zeros(len(found), max(len(each["boxes"]) for each in found), 5)
    for row, each in zip(labels, found, strict=True):
        boxes = torch.as_tensor(each["boxes"][~each["ignore"]])
        row[: len(boxes)] = torch.cat([torch.ones(len(boxes), 1), box_convert(boxes, "xyxy", "cxcywh")], 1)
    return labels


def main() -> None:
    """Train once with each assigner, from the same start; the first network teaches the last."""
    steps = steps_asked(__doc__, 15)
    pixels, found = crops()
    images, labels = torch.from_numpy(pixels).permute(0, 3, 1, 2).float(), padded(found)

    def loss(model: YoloxModule) -> Tensor:
        return model(images, labels)["total_loss"]

    teacher = network()
    for model, assigner, options in (
        (teacher, la.SimOTA.yolox(), {}),
        (network(), la.TaskAligned(), {}),
        (network(), la.LAD(la.TaskAligned()), {"teacher": teacher}),
    ):
        with attach(model, assigner, **options) as handle:
            learn(handle, loss, steps, 3e-4)


if __name__ == "__main__":
    main()
