"""Stands in for detectron2/modeling/box_regression.py, read at 910b796dd766bf466ed814ddc2d82ff06107df71."""

import math

import torch
from torch.nn.functional import relu, smooth_l1_loss
from torchvision.ops import generalized_box_iou_loss

from detectron2.structures import Boxes

_DEFAULT_SCALE_CLAMP = math.log(1000.0 / 16)


def _centre_and_size(boxes):
    size = boxes[:, 2:] - boxes[:, :2]
    return boxes[:, :2] + 0.5 * size, size


class Box2BoxTransform:
    """Deltas (dx, dy, dw, dh) of R-CNN, times `weights`."""

    def __init__(self, weights, scale_clamp=_DEFAULT_SCALE_CLAMP):
        self.weights = weights
        self.scale_clamp = scale_clamp

    def get_deltas(self, src_boxes, target_boxes):
        (source, size), (target, wanted) = _centre_and_size(src_boxes), _centre_and_size(target_boxes)
        assert (size > 0).all().item(), "Input boxes to Box2BoxTransform are not valid!"
        deltas = torch.cat([(target - source) / size, torch.log(wanted / size)], 1)
        return deltas * deltas.new_tensor(self.weights)

    def apply_deltas(self, deltas, boxes):
        """deltas [N, 4], boxes [N, 4]."""
        deltas = deltas.float() / deltas.new_tensor(self.weights, dtype=torch.float32)
        centre, size = _centre_and_size(boxes)
        centre = deltas[:, :2] * size + centre
        half = 0.5 * torch.exp(deltas[:, 2:].clamp(max=self.scale_clamp)) * size
        return torch.cat([centre - half, centre + half], 1)


class Box2BoxTransformLinear:
    """Distances from a square box's centre to the four sides, in sizes of that box."""

    def __init__(self, normalize_by_size=True):
        self.normalize_by_size = normalize_by_size

    def get_deltas(self, src_boxes, target_boxes):
        centre, size = _centre_and_size(src_boxes)
        deltas = torch.cat([centre - target_boxes[:, :2], target_boxes[:, 2:] - centre], 1)
        return deltas / size.repeat(1, 2) if self.normalize_by_size else deltas

    def apply_deltas(self, deltas, boxes):
        centre, size = _centre_and_size(boxes)
        deltas = relu(deltas) * (size.repeat(1, 2) if self.normalize_by_size else 1)
        return torch.cat([centre - deltas[:, :2], centre + deltas[:, 2:]], 1)


def _dense_box_regression_loss(
    anchors,
    box2box_transform,
    pred_anchor_deltas,
    gt_boxes,
    fg_mask,
    box_reg_loss_type="smooth_l1",
    smooth_l1_beta=0.0,
):
    """Sum over the foreground: lists of levels (anchors, deltas) beside a list of images (boxes) and a mask [N, R]."""
    anchors = Boxes.cat(anchors).tensor
    deltas = torch.cat(pred_anchor_deltas, dim=1)
    if box_reg_loss_type == "smooth_l1":
        wanted = torch.stack([box2box_transform.get_deltas(anchors, each) for each in gt_boxes])
        return smooth_l1_loss(deltas[fg_mask], wanted[fg_mask], beta=smooth_l1_beta, reduction="sum")
    if box_reg_loss_type == "giou":
        boxes = torch.stack([box2box_transform.apply_deltas(each, anchors) for each in deltas])
        return generalized_box_iou_loss(boxes[fg_mask], torch.stack(gt_boxes)[fg_mask], reduction="sum")
    raise ValueError(f"Invalid dense box regression loss type '{box_reg_loss_type}'")
