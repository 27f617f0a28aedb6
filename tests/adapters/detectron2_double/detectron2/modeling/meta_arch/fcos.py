"""Stands in for detectron2/modeling/meta_arch/fcos.py, read at 012c8986baac12c9e7c2f8877a51ff5e97e7fe96."""

import math

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot
from torchvision.ops import sigmoid_focal_loss

from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from detectron2.modeling.box_regression import Box2BoxTransformLinear, _dense_box_regression_loss
from detectron2.modeling.meta_arch.dense_detector import DenseDetector
from detectron2.modeling.meta_arch.retinanet import RetinaNetHead
from detectron2.structures import Boxes, pairwise_point_box_distance
from detectron2.utils.events import get_event_storage


class FCOS(DenseDetector):
    def __init__(
        self,
        *,
        backbone,
        head,
        head_in_features=None,
        box2box_transform=None,
        num_classes,
        center_sampling_radius=1.5,
        focal_loss_alpha=0.25,
        focal_loss_gamma=2.0,
        pixel_mean,
        pixel_std,
    ):
        super().__init__(backbone, head, head_in_features, pixel_mean=pixel_mean, pixel_std=pixel_std)
        self.num_classes = num_classes
        shapes = backbone.output_shape()
        strides = [shapes[name].stride for name in self.head_in_features]
        self.anchor_generator = DefaultAnchorGenerator(
            sizes=[[each] for each in strides], aspect_ratios=[1.0], strides=strides
        )
        self.box2box_transform = box2box_transform or Box2BoxTransformLinear(normalize_by_size=True)
        self.center_sampling_radius = float(center_sampling_radius)
        self.focal_loss_alpha = focal_loss_alpha
        self.focal_loss_gamma = focal_loss_gamma

    def forward_training(self, images, features, predictions, gt_instances):
        logits, deltas, centerness = self._transpose_dense_predictions(predictions, [self.num_classes, 4, 1])
        anchors = self.anchor_generator(features)
        gt_labels, gt_boxes = self.label_anchors(anchors, gt_instances)
        return self.losses(anchors, logits, gt_labels, deltas, gt_boxes, centerness)

    @torch.no_grad()
    def _match_anchors(self, gt_boxes, anchors):
        """Quality [M, R]: larger for smaller boxes, 0 where they do not match."""
        per_level = [len(each) for each in anchors]
        anchors = Boxes.cat(anchors)
        points, sizes = anchors.get_centers(), anchors.tensor[:, 2] - anchors.tensor[:, 0]
        lower, upper = sizes * 4, sizes * 8
        lower[: per_level[0]], upper[-per_level[-1] :] = 0, math.inf
        away = (points[None] - gt_boxes.get_centers()[:, None]).abs().max(2).values
        sides = pairwise_point_box_distance(points, gt_boxes).transpose(0, 1)
        longest = sides.max(2).values
        matches = (away < self.center_sampling_radius * sizes) & (sides.min(2).values > 0)
        matches &= (longest > lower) & (longest < upper)
        return matches.float() * (1e8 - gt_boxes.area()[:, None])

    @torch.no_grad()
    def label_anchors(self, anchors, gt_instances):
        """As RetinaNet's; nothing is ignored."""
        gt_labels, matched_gt_boxes = [], []
        for each in gt_instances:
            labels = torch.full((sum(map(len, anchors)),), self.num_classes, device=each.gt_boxes.device)
            boxes = torch.zeros_like(Boxes.cat(anchors).tensor)
            if len(each) > 0:
                quality, matched = self._match_anchors(each.gt_boxes, anchors).max(dim=0)
                labels = torch.where(quality < 1e-5, labels, each.gt_classes[matched])
                boxes = each.gt_boxes.tensor[matched]
            gt_labels.append(labels)
            matched_gt_boxes.append(boxes)
        return gt_labels, matched_gt_boxes

    def losses(self, anchors, pred_logits, gt_labels, pred_anchor_deltas, gt_boxes, pred_centerness):
        num_images = len(gt_labels)
        gt_labels = torch.stack(gt_labels)
        pos_mask = (gt_labels >= 0) & (gt_labels != self.num_classes)
        num_pos_anchors = pos_mask.sum().item()
        get_event_storage().put_scalar("num_pos_anchors", num_pos_anchors / num_images)
        normalizer = self._ema_update("loss_normalizer", max(num_pos_anchors, 1), 300)

        loss_cls = sigmoid_focal_loss(
            torch.cat(pred_logits, dim=1),
            one_hot(gt_labels, num_classes=self.num_classes + 1)[:, :, :-1].to(pred_logits[0].dtype),
            alpha=self.focal_loss_alpha,
            gamma=self.focal_loss_gamma,
            reduction="sum",
        )
        loss_box_reg = _dense_box_regression_loss(
            anchors, self.box2box_transform, pred_anchor_deltas, gt_boxes, pos_mask, box_reg_loss_type="giou"
        )
        wanted = self.compute_ctrness_targets(anchors, gt_boxes)
        said = torch.cat(pred_centerness, dim=1).squeeze(dim=2)
        loss_centerness = binary_cross_entropy_with_logits(said[pos_mask], wanted[pos_mask], reduction="sum")
        return {
            "loss_fcos_cls": loss_cls / normalizer,
            "loss_fcos_loc": loss_box_reg / normalizer,
            "loss_fcos_ctr": loss_centerness / normalizer,
        }

    def compute_ctrness_targets(self, anchors, gt_boxes):
        """[N, R]; no numbers outside of the boxes."""
        anchors = Boxes.cat(anchors).tensor
        deltas = torch.stack([self.box2box_transform.get_deltas(anchors, each) for each in gt_boxes])
        shares = [side.min(-1).values / side.max(-1).values for side in (deltas[..., 0::2], deltas[..., 1::2])]
        return torch.sqrt(shares[0] * shares[1])


class FCOSHead(RetinaNetHead):
    """One anchor per cell; a third list, centerness [N, 1, H, W]."""

    def __init__(self, *, input_shape, conv_dims, **options):
        super().__init__(input_shape=input_shape, conv_dims=conv_dims, num_anchors=1, **options)
        self.ctrness = nn.Conv2d(conv_dims[-1], 1, kernel_size=3, padding=1)
        nn.init.normal_(self.ctrness.weight, std=0.01)
        nn.init.zeros_(self.ctrness.bias)

    def forward(self, features):
        logits, deltas = super().forward(features)
        return logits, deltas, [self.ctrness(self.bbox_subnet(feature)) for feature in features]
