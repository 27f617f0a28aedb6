"""A YOLO-like head (a distribution over distances to the four sides) that its own moving average assigns.

The teacher of LAD is the exponential moving average of the student, which costs one forward pass.
Run it: `python -m examples.yolo_like`
"""

from __future__ import annotations

import argparse

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

import labelassign as la
from examples.aerial.data import to_tensor
from examples.aerial.model import STRIDES, Detector, shapes
from examples.common import crops, describe

BINS = 8  # distances of 0..7 strides
DFL, SIDES = la.DFLCoder(bins=BINS), la.LTRBCoder()
ASSIGNER = la.LAD(la.PAA())


def step(
    network: Detector, teacher: nn.Module, images: Tensor, objects: list
) -> tuple[Tensor, tuple[la.Assignment, la.Predictions, la.GroundTruth]]:
    """The loss of one step, and what it was made from."""
    scores, sides = network(images)
    with torch.no_grad():
        teacher_scores, teacher_sides = teacher(images)
    # --- assignment
    # PAA proposes by overlap with prior boxes: squares around the points of the head
    priors = la.Priors.grid(shapes(scores), strides=STRIDES, scale=4, offset=0.5)
    mine = la.Predictions.from_levels(scores, sides, priors, coder=DFL)
    theirs = la.Predictions.from_levels(teacher_scores, teacher_sides, priors, coder=DFL)
    gt = la.GroundTruth.from_list(objects)
    assignment = ASSIGNER(priors, gt, mine, teacher=theirs)
    target = assignment.targets(gt, background=1, one_hot=True)
    distance = assignment.targets(gt, background=1, coder=SIDES, priors=priors).boxes
    number = assignment.normalizer("num_pos")
    # --- end
    focal = sigmoid_focal_loss(mine.scores, target.labels, reduction="none").sum(-1) * target.cls_weight
    giou = generalized_box_iou_loss(mine.boxes, target.boxes, reduction="none")
    logits = torch.cat([level.flatten(2).transpose(1, 2) for level in sides], 1)
    box = (giou + 0.25 * focal_distribution(logits, distance)) * target.loc_weight
    return (focal.sum() + box.sum()) / number, (assignment, mine, gt)


def focal_distribution(logits: Tensor, distance: Tensor) -> Tensor:
    """Cross entropy with the two bins next to each distance, mean over the sides (Li et al., 2020) [B, N]."""
    distance = distance.clamp(0, BINS - 1.01)
    low = distance.long()
    share = distance - low
    logs = logits.unflatten(-1, (4, BINS)).log_softmax(-1)
    below, above = (functional.nll_loss(logs.flatten(0, 2), b.flatten(), reduction="none") for b in (low, low + 1))
    return (below.view_as(share) * (1 - share) + above.view_as(share) * share).mean(-1)


def main() -> None:
    """Train a student; its average follows and decides."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=40)
    steps = parser.parse_args().steps
    torch.manual_seed(0)
    pixels, objects = crops()
    images, network = to_tensor(list(pixels)), Detector(box_channels=4 * BINS)
    teacher = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    losses = []
    for number in range(steps):
        loss, records = step(network, teacher.eval(), images, objects)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        teacher.update_parameters(network)
        losses.append(float(loss.detach()))
        if number in (0, steps - 1):
            print(describe("before" if number == 0 else "after", *records))
    print(f"  loss {losses[0]:.3f} -> {losses[-1]:.3f} in {steps} steps")


if __name__ == "__main__":
    main()
