"""effdet's encoding: per level and cell each anchor's class (-1 background, -2 ignored) and encoded box, in yxyx."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from labelassign.adapters.encoding import of_owners, packed, packed_rows
from labelassign.structures import BACKGROUND, Assignment, GroundTruth, Priors
from labelassign.structures.targets import take_rows

Labels = tuple[list[Tensor], list[Tensor], Tensor]
Padded = Tensor | Sequence[Tensor]


def to_effdet(assignment: Assignment, gt: GroundTruth, anchors: Any) -> Labels:
    """What `AnchorLabeler.batch_label_anchors` gives: classes, encoded boxes, and the number of positives per image.

    Arguments:
        assignment: of the anchors.
        gt: whose it is.
        anchors: `bench.anchors`.
    Returns: per level `[B, H, W, A]` int64 (from 0; -1 background, -2 ignored) and `[B, H, W, A·4]` (0 where no object
    is); `[B]`.

    Example:
        >>> from effdet.anchors import Anchors
        >>> from labelassign.adapters.effdet import to_effdet
        >>> anchors = Anchors(3, 4, 1, [1.0], 4.0, (128, 160))
        >>> a = la.ATSS()(la.Priors.from_boxes(anchors.boxes[:, [1, 0, 3, 2]], level_sizes=(320, 80)), gt)
        >>> classes, boxes, positives = to_effdet(a, gt, anchors)
        >>> [level.shape for level in classes], positives.tolist() == a.positive.sum(1).tolist()
        ([torch.Size([2, 16, 20, 1]), torch.Size([2, 8, 10, 1])], True)
    """
    from effdet.object_detection.box_coder import FasterRcnnBoxCoder
    from effdet.object_detection.box_list import BoxList

    index = assignment.gt_index  # BACKGROUND and IGNORE are what they are to effdet
    classes = torch.where(index >= 0, take_rows(gt.labels, index), index)
    places = (index >= 0).flatten().nonzero()[:, 0]
    owners, where = gt.boxes[index.flatten()[places]], anchors.boxes[places % index.shape[1]]
    codes = anchors.boxes.new_zeros(index.numel(), 4)
    codes[places] = FasterRcnnBoxCoder().encode(BoxList(flipped(owners)), BoxList(where))
    codes = codes.view(*index.shape, 4)
    levels = range(anchors.min_level, anchors.max_level + 1)
    shapes = [tuple(anchors.feat_sizes[level]) for level in levels]
    sizes = [h * w * anchors.get_anchors_per_location() for h, w in shapes]
    parts = (zip(each.split(sizes, 1), shapes, strict=True) for each in (classes, codes))
    first, second = ([level.reshape(len(level), *shape, -1) for level, shape in part] for part in parts)
    return first, second, assignment.positive.sum(1).float()


def from_effdet(classes: Sequence[Tensor], boxes: Sequence[Tensor], gt: GroundTruth, anchors: Any) -> Assignment:
    """The opposite: an anchor's object is the one of its class whose box is nearest to the decoded one.

    Of equal objects it is the first. Quality and class target are 1 on positives.

    Example:
        >>> from effdet.anchors import Anchors
        >>> from labelassign.adapters.effdet import from_effdet, to_effdet
        >>> anchors = Anchors(3, 4, 1, [1.0], 4.0, (128, 160))
        >>> a = la.ATSS()(la.Priors.from_boxes(anchors.boxes[:, [1, 0, 3, 2]], level_sizes=(320, 80)), gt)
        >>> classes, boxes, _ = to_effdet(a, gt, anchors)
        >>> from_effdet(classes, boxes, gt, anchors).gt_index.equal(a.gt_index)
        True
    """
    found = torch.cat([level.flatten(1) for level in classes], 1)
    decoded = decode(boxes, anchors)
    local: list[Tensor] = []
    for each, box, image in zip(found, decoded, gt.to_list(), strict=True):
        if not len(image["labels"]):
            local.append(each.clamp(max=BACKGROUND))
            continue
        away = (box[:, None] - image["boxes"]).abs().sum(-1)
        row = torch.where(each[:, None] == image["labels"], away, torch.inf).argmin(1)
        local.append(torch.where(each >= 0, row, each))
    return of_owners(packed_rows(local, gt), gt)


def decode(codes: Sequence[Tensor], anchors: Any) -> Tensor:
    """Boxes `[B, N, 4]` xyxy from codes per level `[B, H, W, A·4]`."""
    from effdet.object_detection.box_coder import FasterRcnnBoxCoder
    from effdet.object_detection.box_list import BoxList

    flat = torch.cat([level.reshape(len(level), -1, 4) for level in codes], 1).float()
    where = BoxList(anchors.boxes.repeat(len(flat), 1))
    return flipped(FasterRcnnBoxCoder().decode(flat.flatten(0, 1), where).boxes().view_as(flat))


def flipped(boxes: Tensor) -> Tensor:
    """Between yxyx and xyxy."""
    return boxes.unflatten(-1, (2, 2)).flip(-1).flatten(-2)


def objects(boxes: Padded, classes: Padded, filter_valid: bool) -> GroundTruth:
    """Objects as effdet's loaders have them: yxyx, classes from 1, rows of class -1 are padding."""
    if filter_valid:
        real = [label > -1 for label in classes]
        boxes, classes = ([each[mask] for each, mask in zip(part, real, strict=True)] for part in (boxes, classes))
    return packed("targets", [flipped(box) for box in boxes], [label - 1 for label in classes])


def priors_of(anchors: Any) -> Priors:
    """Effdet's anchors; a level's stride is its cells' width."""
    shapes = [anchors.feat_sizes[level] for level in range(anchors.min_level, anchors.max_level + 1)]
    per_cell = anchors.get_anchors_per_location()
    sizes = [h * w * per_cell for h, w in shapes]
    steps = torch.tensor([anchors.image_size[1] / w for _, w in shapes])
    strides = torch.repeat_interleave(steps, torch.tensor(sizes)).to(anchors.boxes.device)
    return Priors(flipped(anchors.boxes).float(), tuple(sizes), strides, per_cell)
