"""One loss for all arms, so that they differ by the assignment alone."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

import labelassign as la
from examples.recipe.model import Heads
from labelassign.distill.losses import HeadOutputs, SoftDistillation

BOX, IOU = 1.3, 0.5  # weights, as in mmdet's PAA


def hard(mine: Heads, assignment: la.Assignment, gt: la.GroundTruth, box_weight: str) -> dict[str, Tensor]:
    """Focal loss, generalised IoU loss of positives, and cross-entropy of their overlap.

    Arguments:
        mine: of the network that learns.
        assignment: what it learns.
        gt: the objects.
        box_weight: "iou" weights every positive by its overlap, as PAA does; "num_pos" all alike, as LAD's code does.
    """
    found, iou = mine
    target = assignment.targets(gt, background=found.num_classes, one_hot=True)
    count = assignment.normalizer("num_pos", reduce=True)
    focal = sigmoid_focal_loss(found.scores, target.labels, reduction="none").sum(-1)
    overlap = assignment.overlap(found.boxes, gt)
    giou = generalized_box_iou_loss(found.boxes, target.boxes, reduction="none") * target.loc_weight
    if box_weight == "iou":
        box = (giou * overlap).sum() / assignment.normalizer("iou_sum", overlap=overlap, reduce=True)
    else:
        box = giou.sum() / count
    branch = binary_cross_entropy_with_logits(iou, overlap, reduction="none")
    return {
        "cls": (focal * target.cls_weight).sum() / count,
        "box": BOX * box,
        "iou": IOU * torch.where(assignment.positive, branch, 0.0).sum() / count,
    }


def soft(how: SoftDistillation, mine: Heads, theirs: Heads, gt: la.GroundTruth) -> dict[str, Tensor]:
    """What the outputs of the teacher add."""
    student, teacher = (
        HeadOutputs(each.predictions.scores, each.predictions.boxes, each.iou) for each in (mine, theirs)
    )
    found: Any = how(student, teacher, gt, reduce=True)
    return {f"soft_{name}": value for name, value in found.items()}
