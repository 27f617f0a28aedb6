"""Stands in for detectron2/modeling/roi_heads/roi_heads.py, read at 42a62ba82603446259f817a54f2b8b2ee74aab00.

Only the base class, which labels and draws proposals; what its subclasses pool and predict is left out.
"""

import torch
from torch import nn

from detectron2.modeling.proposal_generator.proposal_utils import add_ground_truth_to_proposals
from detectron2.modeling.sampling import subsample_labels
from detectron2.structures import pairwise_iou
from detectron2.utils.events import get_event_storage


class ROIHeads(nn.Module):
    def __init__(
        self, *, num_classes, batch_size_per_image, positive_fraction, proposal_matcher, proposal_append_gt=True
    ):
        super().__init__()
        self.batch_size_per_image = batch_size_per_image
        self.positive_fraction = positive_fraction
        self.num_classes = num_classes
        self.proposal_matcher = proposal_matcher
        self.proposal_append_gt = proposal_append_gt

    def _sample_proposals(self, matched_idxs, matched_labels, gt_classes):
        """Indices of those that are drawn, and their classes (K background)."""
        if gt_classes.numel() > 0:
            gt_classes = gt_classes[matched_idxs]
            gt_classes[matched_labels == 0] = self.num_classes
            gt_classes[matched_labels == -1] = -1
        else:
            gt_classes = torch.full_like(matched_idxs, self.num_classes)
        drawn = subsample_labels(gt_classes, self.batch_size_per_image, self.positive_fraction, self.num_classes)
        sampled = torch.cat(drawn)
        return sampled, gt_classes[sampled]

    @torch.no_grad()
    def label_and_sample_proposals(self, proposals, targets):
        """proposals, targets: `Instances` of each image. Gives those drawn, with the fields "gt_…" of their objects."""
        if self.proposal_append_gt:
            proposals = add_ground_truth_to_proposals([x.gt_boxes for x in targets], proposals)
        proposals_with_gt, positives, negatives = [], 0, 0
        for found, target in zip(proposals, targets, strict=True):
            quality = pairwise_iou(target.gt_boxes, found.proposal_boxes)
            matched_idxs, matched_labels = self.proposal_matcher(quality)
            sampled, gt_classes = self._sample_proposals(matched_idxs, matched_labels, target.gt_classes)
            drawn = found[sampled]
            drawn.gt_classes = gt_classes
            if len(target) > 0:
                for name, value in target.get_fields().items():
                    if name.startswith("gt_") and not drawn.has(name):
                        drawn.set(name, value[matched_idxs[sampled]])
            negatives += (gt_classes == self.num_classes).sum().item()
            positives += (gt_classes != self.num_classes).sum().item()
            proposals_with_gt.append(drawn)
        storage = get_event_storage()
        storage.put_scalar("roi_head/num_fg_samples", positives / len(targets))
        storage.put_scalar("roi_head/num_bg_samples", negatives / len(targets))
        return proposals_with_gt
