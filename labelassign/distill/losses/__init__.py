"""Soft-label distillation losses: what the student learns from the teacher's outputs besides the assignment.

| name | what it compares |
|---|---|
| `focal_kl` | class probabilities, by the focal Kullback-Leibler divergence (equation 1 of the paper) |
| `soft_l1`, `soft_l2` | class probabilities, by the distance and its square |
| `select_boxes` | nothing: says which of the teacher's boxes are worth learning, and how much |
| `localisation_distillation` | boxes, by generalised IoU (`generalised_iou_loss`) |
| `SoftDistillation` | a whole head: the three terms of SoLAD, under one normaliser |

All of them compute in float32 (float64 for float64 input), whatever autocast says, and never send a gradient to the
teacher. An element of weight 0 is not looked at: NaN there changes neither the value nor the gradient.

Source: Nguyen et al., "Improving Object Detection by Label Assignment Distillation", WACV 2022, arXiv:2108.10520,
equation 1 and the section on soft-label distillation around it.
"""

from .boxes import generalised_iou_loss, localisation_distillation
from .kl import focal_kl
from .norms import soft_l1, soft_l2
from .outputs import HeadOutputs
from .selection import select_boxes
from .soft import SoftDistillation

__all__ = [
    "HeadOutputs",
    "SoftDistillation",
    "focal_kl",
    "generalised_iou_loss",
    "localisation_distillation",
    "select_boxes",
    "soft_l1",
    "soft_l2",
]
