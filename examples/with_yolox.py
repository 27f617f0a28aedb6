"""YOLOX on real tree crowns: its own rule, TaskAligned, and LAD with a teacher, by one line each.

Run it: `python -m examples.with_yolox`
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor
from torchvision.ops import box_convert
from yolox.models import YoloPafpn, YoloxHead, YoloxModule

import labelassign as la
from examples.common import crops
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


def train(model: YoloxModule, images: Tensor, labels: Tensor, steps: int) -> float:
    """Loss of the last step."""
    optimizer, loss = torch.optim.AdamW(model.parameters(), lr=3e-4), torch.zeros(())
    for _ in range(steps):
        loss = model(images, labels)["total_loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return float(loss.detach())


def main() -> None:
    """Train once with each assigner, from the same start; the first network teaches the last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=15)
    steps = parser.parse_args().steps
    pixels, found = crops()
    images, labels = torch.from_numpy(pixels).permute(0, 3, 1, 2).float(), padded(found)
    teacher = network()
    for model, assigner, options in (
        (teacher, la.SimOTA.yolox(), {}),
        (network(), la.TaskAligned(), {}),
        (network(), la.LAD(la.TaskAligned()), {"teacher": teacher}),
    ):
        print(type(assigner).__name__)
        with attach(model, assigner, **options) as handle:
            for when, number in (("before", 1), ("after", steps - 1)):
                loss, told = train(model, images, labels, number), handle.stats
                print(
                    f"  {when:6} {told['positives_per_object']:5.2f} positives per object, "
                    f"{told['objects_without']} of {told['objects']} objects without any, loss {loss:.3f}"
                )


if __name__ == "__main__":
    main()
