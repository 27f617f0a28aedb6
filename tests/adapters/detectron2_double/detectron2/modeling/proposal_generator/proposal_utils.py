"""Stands in for detectron2/modeling/proposal_generator/proposal_utils.py.

Read at 60d7a1fd33cc48e58968659cd3301f3300b2786b.
"""

import math

import torch
from torchvision.ops import batched_nms

from detectron2.structures import Boxes, Instances


def find_top_rpn_proposals(
    proposals, pred_objectness_logits, image_sizes, nms_thresh, pre_nms_topk, post_nms_topk, min_box_size, training
):
    """The best of each level, clipped and thinned out: for each image "proposal_boxes" and "objectness_logits"."""
    kept, scores, levels = [], [], []
    for level, (boxes, logits) in enumerate(zip(proposals, pred_objectness_logits, strict=True)):
        top = logits.sort(descending=True, dim=1)
        order = top.indices[:, :pre_nms_topk]
        kept.append(boxes.gather(1, order[..., None].expand(-1, -1, 4)))
        scores.append(top.values[:, :pre_nms_topk])
        levels.append(torch.full((order.shape[1],), level))
    level, results = torch.cat(levels), []
    for found, logits, size in zip(torch.cat(kept, 1), torch.cat(scores, 1), image_sizes, strict=True):
        boxes = Boxes(found.clone())
        boxes.clip(size)
        real = boxes.nonempty(min_box_size)
        boxes, logits = boxes[real], logits[real]
        keep = batched_nms(boxes.tensor, logits, level[real], nms_thresh)[:post_nms_topk]
        results.append(Instances(size, proposal_boxes=boxes[keep], objectness_logits=logits[keep]))
    return results


def add_ground_truth_to_proposals(gt_boxes, proposals):
    """The objects as further proposals of each image, after the others and all but certain."""
    certain = math.log((1.0 - 1e-10) / (1 - (1.0 - 1e-10)))
    joined = []
    for boxes, found in zip(gt_boxes, proposals, strict=True):
        logits = torch.full((len(boxes),), certain)
        more = Instances(found.image_size, proposal_boxes=boxes, objectness_logits=logits)
        joined.append(Instances.cat([found, more]))
    return joined
