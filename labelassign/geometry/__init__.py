"""Overlaps, centres and inside tests of boxes.

Upright boxes are `[..., 4]` (xyxy), rotated ones `[..., 5]` (centre, sides and angle, see `corners`); the width of the
last axis says which.
"""

from labelassign.geometry.boxes import (
    area,
    centres,
    covered,
    inside,
    margin,
    paired_ciou,
    paired_giou,
    paired_iou,
    pairwise_iou,
)
from labelassign.geometry.rotated import as_rotated, corners, inside_rotated, is_rotated
from labelassign.geometry.rotated_overlaps import pairwise_rotated_iou, prob_iou, rotated_iou

__all__ = [
    "area",
    "as_rotated",
    "centres",
    "corners",
    "covered",
    "inside",
    "inside_rotated",
    "is_rotated",
    "margin",
    "paired_ciou",
    "paired_giou",
    "paired_iou",
    "pairwise_iou",
    "pairwise_rotated_iou",
    "prob_iou",
    "rotated_iou",
]
