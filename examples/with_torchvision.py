"""torchvision's RetinaNet on real tree crowns: its own rule, PAA, and LAD with a teacher, by one line each.

Run it: `python -m examples.with_torchvision`
"""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.models.detection import RetinaNet
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import mobilenet_backbone

import labelassign as la
from examples.common import SIZE, crops, learn, steps_asked
from labelassign.adapters.torchvision import attach


def network() -> RetinaNet:
    """A RetinaNet over MobileNetV3, with anchors for trees; nothing in it knows of this library."""
    torch.manual_seed(0)
    backbone = mobilenet_backbone(backbone_name="mobilenet_v3_small", weights=None, fpn=True, trainable_layers=6)
    anchors = AnchorGenerator(((16, 24),) * 3, ((0.7, 1.0, 1.4),) * 3)
    return RetinaNet(backbone, 1, SIZE, SIZE, anchor_generator=anchors)


def main() -> None:
    """Train once with each assigner, from the same start; the first network teaches the last."""
    steps = steps_asked(__doc__, 15)
    pixels, found = crops()
    images = list(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255)
    # trees cut by the border; torchvision's own losses would take them for trees
    names = {"boxes": "boxes", "labels": "labels", "iscrowd": "ignore"}
    objects = [{theirs: torch.as_tensor(each[ours]) for theirs, ours in names.items()} for each in found]

    def loss(model: RetinaNet) -> Tensor:
        return sum(model(images, objects).values())

    teacher = network()
    for model, assigner, options in (
        (teacher, la.MaxIoU.retinanet(), {}),
        (network(), la.PAA(), {}),
        (network(), la.LAD(la.PAA()), {"teacher": teacher}),
    ):
        with attach(model, assigner, **options) as handle:
            learn(handle, loss, steps, 3e-4)


if __name__ == "__main__":
    main()
