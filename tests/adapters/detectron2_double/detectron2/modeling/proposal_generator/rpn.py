"""Stands in for detectron2/modeling/proposal_generator/rpn.py, read at 60d7a1fd33cc48e58968659cd3301f3300b2786b."""

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, relu, smooth_l1_loss

from detectron2.modeling.proposal_generator.proposal_utils import find_top_rpn_proposals
from detectron2.modeling.sampling import subsample_labels
from detectron2.structures import Boxes, pairwise_iou
from detectron2.utils.events import get_event_storage


class StandardRPNHead(nn.Module):
    """Lists of levels: objectness [N, A, H, W] and deltas [N, A·4, H, W]."""

    def __init__(self, *, in_channels, num_anchors, box_dim=4):
        super().__init__()
        self.conv = nn.Conv2d(in_channels, in_channels, kernel_size=3, padding=1)
        self.objectness_logits = nn.Conv2d(in_channels, num_anchors, kernel_size=1)
        self.anchor_deltas = nn.Conv2d(in_channels, num_anchors * box_dim, kernel_size=1)
        for layer in (self.conv, self.objectness_logits, self.anchor_deltas):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)

    def forward(self, features):
        hidden = [relu(self.conv(each)) for each in features]
        return [self.objectness_logits(each) for each in hidden], [self.anchor_deltas(each) for each in hidden]


class RPN(nn.Module):
    def __init__(
        self,
        *,
        in_features,
        head,
        anchor_generator,
        anchor_matcher,
        box2box_transform,
        batch_size_per_image,
        positive_fraction,
        pre_nms_topk,
        post_nms_topk,
        nms_thresh=0.7,
        min_box_size=0.0,
        anchor_boundary_thresh=-1.0,
        smooth_l1_beta=0.0,
    ):
        super().__init__()
        self.in_features = in_features
        self.rpn_head = head
        self.anchor_generator = anchor_generator
        self.anchor_matcher = anchor_matcher
        self.box2box_transform = box2box_transform
        self.batch_size_per_image = batch_size_per_image
        self.positive_fraction = positive_fraction
        self.pre_nms_topk = {True: pre_nms_topk[0], False: pre_nms_topk[1]}
        self.post_nms_topk = {True: post_nms_topk[0], False: post_nms_topk[1]}
        self.nms_thresh = nms_thresh
        self.min_box_size = float(min_box_size)
        self.anchor_boundary_thresh = anchor_boundary_thresh
        self.smooth_l1_beta = smooth_l1_beta

    def _subsample_labels(self, label):
        """In place: -1 for all that are not drawn."""
        pos_idx, neg_idx = subsample_labels(label, self.batch_size_per_image, self.positive_fraction, 0)
        label.fill_(-1)
        label.scatter_(0, pos_idx, 1)
        label.scatter_(0, neg_idx, 0)
        return label

    @torch.no_grad()
    def label_and_sample_anchors(self, anchors, gt_instances):
        """Lists of images: labels [R] (1, 0, -1 ignored or not drawn) and the matched boxes [R, 4]."""
        anchors = Boxes.cat(anchors)
        gt_labels, matched_gt_boxes = [], []
        for each in gt_instances:
            matched_idxs, labels = self.anchor_matcher(pairwise_iou(each.gt_boxes, anchors))
            if self.anchor_boundary_thresh >= 0:
                labels[~anchors.inside_box(each.image_size, self.anchor_boundary_thresh)] = -1
            gt_labels.append(self._subsample_labels(labels))
            empty = len(each.gt_boxes) == 0
            matched_gt_boxes.append(torch.zeros_like(anchors.tensor) if empty else each.gt_boxes[matched_idxs].tensor)
        return gt_labels, matched_gt_boxes

    def losses(self, anchors, pred_objectness_logits, gt_labels, pred_anchor_deltas, gt_boxes):
        num_images = len(gt_labels)
        gt_labels = torch.stack(gt_labels)
        pos_mask, valid_mask = gt_labels == 1, gt_labels >= 0
        storage = get_event_storage()
        storage.put_scalar("rpn/num_pos_anchors", pos_mask.sum().item() / num_images)
        storage.put_scalar("rpn/num_neg_anchors", (gt_labels == 0).sum().item() / num_images)
        anchors = Boxes.cat(anchors).tensor
        wanted = torch.stack([self.box2box_transform.get_deltas(anchors, each) for each in gt_boxes])
        deltas = torch.cat(pred_anchor_deltas, dim=1)
        loc = smooth_l1_loss(deltas[pos_mask], wanted[pos_mask], beta=self.smooth_l1_beta, reduction="sum")
        logits = torch.cat(pred_objectness_logits, dim=1)
        cls = binary_cross_entropy_with_logits(logits[valid_mask], gt_labels[valid_mask].float(), reduction="sum")
        normalizer = self.batch_size_per_image * num_images
        return {"loss_rpn_cls": cls / normalizer, "loss_rpn_loc": loc / normalizer}

    def forward(self, images, features, gt_instances=None):
        """images: an ImageList; features: maps by name. Gives proposals and losses."""
        features = [features[f] for f in self.in_features]
        anchors = self.anchor_generator(features)
        logits, deltas = self.rpn_head(features)
        logits = [each.permute(0, 2, 3, 1).flatten(1) for each in logits]
        deltas = [each.unflatten(1, (-1, 4)).permute(0, 3, 4, 1, 2).flatten(1, -2) for each in deltas]
        losses = {}
        if self.training:
            gt_labels, gt_boxes = self.label_and_sample_anchors(anchors, gt_instances)
            losses = self.losses(anchors, logits, gt_labels, deltas, gt_boxes)
        return self.predict_proposals(anchors, logits, deltas, images.image_sizes), losses

    @torch.no_grad()
    def predict_proposals(self, anchors, pred_objectness_logits, pred_anchor_deltas, image_sizes):
        proposals = []
        for level, deltas in zip(anchors, pred_anchor_deltas, strict=True):
            flat = self.box2box_transform.apply_deltas(deltas.flatten(0, 1), level.tensor.repeat(len(deltas), 1))
            proposals.append(flat.view_as(deltas))
        return find_top_rpn_proposals(
            proposals,
            pred_objectness_logits,
            image_sizes,
            self.nms_thresh,
            self.pre_nms_topk[self.training],
            self.post_nms_topk[self.training],
            self.min_box_size,
            self.training,
        )
