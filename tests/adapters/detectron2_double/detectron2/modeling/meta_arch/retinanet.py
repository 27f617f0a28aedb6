"""Stands in for detectron2/modeling/meta_arch/retinanet.py, read at 1846f9159b5da2091cb00b4249f83a2a9be84a39.

Since then it derives from DenseDetector, of which `forward_training` is the part to fill in; so does this.
"""

import math

import torch
from torch import nn
from torch.nn.functional import one_hot
from torchvision.ops import sigmoid_focal_loss

from detectron2.modeling.box_regression import _dense_box_regression_loss
from detectron2.modeling.meta_arch.dense_detector import DenseDetector
from detectron2.structures import Boxes, pairwise_iou
from detectron2.utils.events import get_event_storage


class RetinaNet(DenseDetector):
    def __init__(
        self,
        *,
        backbone,
        head,
        head_in_features,
        anchor_generator,
        box2box_transform,
        anchor_matcher,
        num_classes,
        focal_loss_alpha=0.25,
        focal_loss_gamma=2.0,
        smooth_l1_beta=0.0,
        box_reg_loss_type="smooth_l1",
        pixel_mean,
        pixel_std,
    ):
        super().__init__(backbone, head, head_in_features, pixel_mean=pixel_mean, pixel_std=pixel_std)
        self.num_classes = num_classes
        self.anchor_generator = anchor_generator
        self.box2box_transform = box2box_transform
        self.anchor_matcher = anchor_matcher
        self.focal_loss_alpha = focal_loss_alpha
        self.focal_loss_gamma = focal_loss_gamma
        self.smooth_l1_beta = smooth_l1_beta
        self.box_reg_loss_type = box_reg_loss_type

    def forward_training(self, images, features, predictions, gt_instances):
        pred_logits, pred_anchor_deltas = self._transpose_dense_predictions(predictions, [self.num_classes, 4])
        anchors = self.anchor_generator(features)
        gt_labels, gt_boxes = self.label_anchors(anchors, gt_instances)
        return self.losses(anchors, pred_logits, gt_labels, pred_anchor_deltas, gt_boxes)

    def losses(self, anchors, pred_logits, gt_labels, pred_anchor_deltas, gt_boxes):
        num_images = len(gt_labels)
        gt_labels = torch.stack(gt_labels)
        valid_mask = gt_labels >= 0
        pos_mask = valid_mask & (gt_labels != self.num_classes)
        num_pos_anchors = pos_mask.sum().item()
        get_event_storage().put_scalar("num_pos_anchors", num_pos_anchors / num_images)
        normalizer = self._ema_update("loss_normalizer", max(num_pos_anchors, 1), 100)

        wanted = one_hot(gt_labels[valid_mask], num_classes=self.num_classes + 1)[:, :-1]
        loss_cls = sigmoid_focal_loss(
            torch.cat(pred_logits, dim=1)[valid_mask],
            wanted.to(pred_logits[0].dtype),
            alpha=self.focal_loss_alpha,
            gamma=self.focal_loss_gamma,
            reduction="sum",
        )
        loss_box_reg = _dense_box_regression_loss(
            anchors,
            self.box2box_transform,
            pred_anchor_deltas,
            gt_boxes,
            pos_mask,
            box_reg_loss_type=self.box_reg_loss_type,
            smooth_l1_beta=self.smooth_l1_beta,
        )
        return {"loss_cls": loss_cls / normalizer, "loss_box_reg": loss_box_reg / normalizer}

    @torch.no_grad()
    def label_anchors(self, anchors, gt_instances):
        """Lists of images: labels [R] (-1 ignored, K background) and the matched boxes [R, 4]."""
        anchors = Boxes.cat(anchors)
        gt_labels, matched_gt_boxes = [], []
        for gt_per_image in gt_instances:
            matched_idxs, anchor_labels = self.anchor_matcher(pairwise_iou(gt_per_image.gt_boxes, anchors))
            if len(gt_per_image) > 0:
                labels, boxes = gt_per_image.gt_classes[matched_idxs], gt_per_image.gt_boxes.tensor[matched_idxs]
                labels[anchor_labels == 0] = self.num_classes
                labels[anchor_labels == -1] = -1
            else:
                labels, boxes = torch.full_like(matched_idxs, self.num_classes), torch.zeros_like(anchors.tensor)
            gt_labels.append(labels)
            matched_gt_boxes.append(boxes)
        return gt_labels, matched_gt_boxes


def _subnet(channels, conv_dims):
    layers = []
    for before, after in zip([channels, *conv_dims[:-1]], conv_dims, strict=True):
        layers += [nn.Conv2d(before, after, kernel_size=3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers)


class RetinaNetHead(nn.Module):
    """Lists of levels: logits [N, A·K, H, W] and deltas [N, A·4, H, W]."""

    def __init__(self, *, input_shape, num_classes, num_anchors, conv_dims, prior_prob=0.01):
        super().__init__()
        self.cls_subnet = _subnet(input_shape[0].channels, conv_dims)
        self.bbox_subnet = _subnet(input_shape[0].channels, conv_dims)
        self.cls_score = nn.Conv2d(conv_dims[-1], num_anchors * num_classes, kernel_size=3, padding=1)
        self.bbox_pred = nn.Conv2d(conv_dims[-1], num_anchors * 4, kernel_size=3, padding=1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(layer.bias)
        nn.init.constant_(self.cls_score.bias, -math.log((1 - prior_prob) / prior_prob))

    def forward(self, features):
        logits = [self.cls_score(self.cls_subnet(feature)) for feature in features]
        return logits, [self.bbox_pred(self.bbox_subnet(feature)) for feature in features]
