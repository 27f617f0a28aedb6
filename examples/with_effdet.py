"""effdet's EfficientDet on real tree crowns: its own rule, PAA, and LAD with a teacher, by one line each.

Run it: `python -m examples.with_effdet`
"""

from __future__ import annotations

import torch
from effdet import DetBenchTrain, EfficientDet, get_efficientdet_config
from torch import Tensor

import labelassign as la
from examples.common import SIZE, crops, learn, steps_asked
from labelassign.adapters.effdet import attach

STOCK = la.MaxIoU(0.5, 0.5, zero_rescues=True, all_ties=False, ignore_iof=None)


def network() -> DetBenchTrain:
    """A small EfficientDet with anchors for trees; nothing in it knows of this library."""
    torch.manual_seed(0)
    config = get_efficientdet_config("efficientdet_d0")
    size = {"image_size": (SIZE, SIZE), "num_classes": 1, "min_level": 3, "max_level": 5, "num_levels": 3}
    body = {"backbone_name": "mobilenetv3_small_050", "backbone_args": {}, "fpn_channels": 32, "fpn_cell_repeats": 1}
    config.update({**size, **body, "box_class_repeats": 1, "anchor_scale": 2.0})
    return DetBenchTrain(EfficientDet(config, pretrained_backbone=False))


def main() -> None:
    """Train once with each assigner, from the same start; the first network teaches the last."""
    steps = steps_asked(__doc__, 25)
    pixels, found = crops()
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255
    # effdet wants yxyx and classes from 1, and knows no ignored regions: trees cut by the border are left out
    trees = [{name: torch.as_tensor(each[name][~each["ignore"]]) for name in ("boxes", "labels")} for each in found]
    target = {"bbox": [each["boxes"][:, [1, 0, 3, 2]] for each in trees], "cls": [each["labels"] + 1 for each in trees]}

    def loss(model: DetBenchTrain) -> Tensor:
        return model(images, target)["loss"]

    teacher = network()
    for model, assigner, options in (
        (teacher, STOCK, {}),
        (network(), la.PAA(), {}),
        (network(), la.LAD(la.PAA()), {"teacher": teacher}),
    ):
        with attach(model, assigner, **options) as handle:
            learn(handle, loss, steps, 1e-3)


if __name__ == "__main__":
    main()
