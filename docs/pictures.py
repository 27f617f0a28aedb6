"""Draws the picture of the README: `python docs/pictures.py` writes docs/images/why.png."""

from pathlib import Path

import torch

import labelassign as la
from labelassign import draw

OBJECTS = [
    ("an object", [26, 22, 70, 74]),
    ("the same one, drawn twice", [22, 18, 75, 79]),
    ("a small object", [96, 30, 107, 42]),
    ("a wide object", [84, 70, 150, 104]),
    ("a narrow object", [12, 88, 58, 96]),
]


def scene() -> tuple[torch.Tensor, la.Priors, la.GroundTruth]:
    """Grey rectangles on a gradient, and the priors of two levels."""
    height, width = 120, 160
    image = torch.linspace(0.82, 0.94, width).expand(3, height, width).clone()
    for _, (x1, y1, x2, y2) in OBJECTS:
        image[:, y1:y2, x1:x2] *= 0.8
    priors = la.Priors.grid(image_size=(height, width), strides=(8, 16), scale=3, offset=0.5)
    gt = la.GroundTruth.from_list([{"boxes": [box for _, box in OBJECTS], "labels": [0] * len(OBJECTS)}])
    return image, priors, gt


if __name__ == "__main__":
    image, priors, gt = scene()
    result = la.MaxIoU(pos_iou=0.4, neg_iou=0.3, low_quality="off")(priors, gt)
    target = Path(__file__).parent / "images" / "why.png"
    draw.assignment(image, priors, gt, result, title="MaxIoU, no rescue").savefig(target)
    for (name, _), count, reason in zip(OBJECTS, result.per_gt_count.tolist(), result.reason.tolist(), strict=True):
        print(f"{name:34} {count:3} priors   {la.Reason(reason).name}")  # noqa: T201
