"""A RetinaNet-like trainer: per-level NCHW outputs, nine anchors per cell, and an assigner that is one argument.

Run it: `python -m examples.retinanet_like`
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

import labelassign as la
from examples.aerial.data import to_tensor
from examples.aerial.model import STRIDES, Detector, shapes
from examples.common import crops, describe

ASSIGNERS = {"MaxIoU.retinanet()": la.MaxIoU.retinanet(), "ATSS()": la.ATSS()}
CODER = la.DeltaCoder(stds=(0.1, 0.1, 0.2, 0.2))
OCTAVES = (3, 3 * 2 ** (1 / 3), 3 * 2 ** (2 / 3))


def step(
    network: Detector, images: Tensor, objects: list, assigner: la.Assigner
) -> tuple[Tensor, tuple[la.Assignment, la.Predictions, la.GroundTruth]]:
    """The loss of one step, and what it was made from."""
    scores, deltas = network(images)
    # --- assignment
    priors = la.Priors.grid(shapes(scores), strides=STRIDES, scale=OCTAVES, ratios=(0.5, 1, 2), offset=0.5)
    mine = la.Predictions.from_levels(scores, deltas, priors, coder=CODER)
    gt = la.GroundTruth.from_list(objects)
    assignment = assigner(priors, gt, mine)
    target = assignment.targets(gt, background=1, one_hot=True)
    number = assignment.normalizer("num_pos")
    # --- end
    focal = sigmoid_focal_loss(mine.scores, target.labels, reduction="none").sum(-1) * target.cls_weight
    giou = generalized_box_iou_loss(mine.boxes, target.boxes, reduction="none") * target.loc_weight
    return (focal.sum() + giou.sum()) / number, (assignment, mine, gt)


def train(assigner: la.Assigner, steps: int) -> None:
    """Train from the same start, whatever the assigner."""
    torch.manual_seed(0)
    pixels, objects = crops()
    images, network = to_tensor(list(pixels)), Detector(per_cell=9)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    losses = []
    for number in range(steps):
        loss, records = step(network, images, objects, assigner)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
        if number in (0, steps - 1):
            print(describe("before" if number == 0 else "after", *records))
    print(f"  loss {losses[0]:.3f} -> {losses[-1]:.3f} in {steps} steps")


def main() -> None:
    """Train once with each assigner."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    steps = parser.parse_args().steps
    for name, assigner in ASSIGNERS.items():
        print(name)
        train(assigner, steps)


if __name__ == "__main__":
    main()
