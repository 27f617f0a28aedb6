"""torchvision's RetinaNet on real tree crowns: its own rule, PAA, and LAD with a teacher, by one line each.

Run it: `python -m examples.with_torchvision`
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone

import labelassign as la
from examples.common import SIZE, crops
from labelassign.adapters.torchvision import attach


def network() -> RetinaNet:
    """A RetinaNet over MobileNetV3, with anchors for trees; nothing in it knows of this library."""
    torch.manual_seed(0)
    backbone = mobilenet_backbone(backbone_name="mobilenet_v3_small", weights=None, fpn=True, trainable_layers=6)
    anchors = AnchorGenerator(((16, 24),) * 3, ((0.7, 1.0, 1.4),) * 3)
    return RetinaNet(backbone, 1, SIZE, SIZE, anchor_generator=anchors)


def train(model: RetinaNet, images: list[Tensor], objects: list[dict[str, Tensor]], steps: int) -> tuple[float, float]:
    """Loss of the first and of the last step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
    losses = []
    for _ in range(steps):
        loss = sum(model(images, objects).values())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    return losses[0], losses[-1]


def main() -> None:
    """Train once with each assigner, from the same start; the first network teaches the last."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=15)
    steps = parser.parse_args().steps
    pixels, found = crops()
    images = list(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255)
    # trees cut by the border; torchvision's own losses would take them for trees
    names = {"boxes": "boxes", "labels": "labels", "iscrowd": "ignore"}
    objects = [{theirs: torch.as_tensor(each[ours]) for theirs, ours in names.items()} for each in found]
    teacher = network()
    for model, assigner, options in (
        (teacher, la.MaxIoU.retinanet(), {}),
        (network(), la.PAA(), {}),
        (network(), la.LAD(la.PAA()), {"teacher": teacher}),
    ):
        print(type(assigner).__name__)
        with attach(model, assigner, **options) as handle:
            for when, number in (("before", 1), ("after", steps - 1)):
                losses = train(model, images, objects, number)
                told = handle.stats
                print(
                    f"  {when:6} {told['positives_per_object']:5.2f} positives per object, "
                    f"{told['objects_without']} of {told['objects']} objects without any, loss {losses[1]:.3f}"
                )


if __name__ == "__main__":
    main()
