"""detectron2's encoding: for each image every anchor's class (K background, -1 ignored) and the box that it learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from labelassign.adapters.encoding import of_owners, packed, packed_rows
from labelassign.structures import BACKGROUND, IGNORE, Assignment, GroundTruth

IGNORED = -1


def to_detectron2(
    assignment: Assignment, gt: GroundTruth, num_classes: int, *, ignore: bool = True
) -> tuple[list[Tensor], list[Tensor]]:
    """What `label_anchors` gives: for each image labels `[N]` and matched boxes `[N, 4]`.

    Labels are classes 0, …, K - 1, K for background and -1 for ignored. The box of an anchor without object is some box
    of the batch, which no loss of detectron2 looks at.

    Arguments:
        assignment: of anchors.
        gt: whose it is.
        num_classes: K.
        ignore: False: ignored anchors are background, for losses that do not know them (FCOS).

    Example:
        >>> from labelassign.adapters.detectron2 import to_detectron2
        >>> labels, boxes = to_detectron2(la.ATSS()(priors, gt), gt, 80)
        >>> [each.unique().tolist() for each in labels], boxes[0].shape
        ([[0, 1, 80], [2, 80]], torch.Size([400, 4]))
    """
    target = assignment.targets(gt, background=num_classes)
    labels = torch.where(assignment.ignored, IGNORED, target.labels) if ignore else target.labels
    return list(labels), list(target.boxes)


def from_detectron2(
    gt_labels: Sequence[Tensor], matched_gt_boxes: Sequence[Any], gt: GroundTruth, num_classes: int
) -> Assignment:
    """The opposite: an anchor's object is the first one of its class and box. Quality and class target are 1.

    `matched_gt_boxes` may be tensors or `Boxes`.

    Example:
        >>> from labelassign.adapters.detectron2 import from_detectron2, to_detectron2
        >>> a = la.ATSS()(priors, gt)
        >>> from_detectron2(*to_detectron2(a, gt, 80), gt, 80).gt_index.equal(a.gt_index)
        True
    """
    local: list[Tensor] = []
    for labels, boxes, image in zip(gt_labels, matched_gt_boxes, gt.to_list(), strict=True):
        row = torch.full_like(labels, BACKGROUND)
        if len(image["labels"]):
            away = (tensor_of(boxes)[:, None] - image["boxes"]).abs().sum(-1)
            row = torch.where(labels[:, None] == image["labels"], away, torch.inf).argmin(1)
        row = torch.where(labels == num_classes, BACKGROUND, row)
        local.append(torch.where(labels == IGNORED, IGNORE, row))
    return of_owners(packed_rows(local, gt), gt)


def tensor_of(boxes: Any) -> Tensor:
    """Boxes `[N, 4]`, from detectron2's own type, too."""
    return getattr(boxes, "tensor", boxes)


def objects(instances: Sequence[Any], one_class: bool = False) -> GroundTruth:
    """Objects as detectron2's models have them: `Instances` with "gt_boxes" and "gt_classes", from 0."""
    labels = [torch.zeros_like(each.gt_classes) if one_class else each.gt_classes for each in instances]
    return packed("gt_instances", [each.gt_boxes.tensor for each in instances], labels)
