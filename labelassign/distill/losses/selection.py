"""Which of the teacher's boxes the student should learn, and how much each counts."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from labelassign.checks import equal, fail, same_device
from labelassign.ops.match import RESCUE_OFF, match
from labelassign.ops.objects import objects
from labelassign.structures import GroundTruth

from . import _checks as checks


@torch.no_grad()
def select_boxes(
    teacher_boxes: Float[Tensor, "B N 4"], gt: GroundTruth, *, min_iou: float = 0.5
) -> Float[Tensor, "B N"]:
    """IoU of each teacher box with its nearest object where that exceeds `min_iou`, else 0.

    The nearest object is the one of highest IoU among the objects of the same image that are not ignored.
    The result is both the selection (greater than 0) and the weight of each selected box, and carries no gradient.

    Source: Nguyen et al., WACV 2022, arXiv:2108.10520, soft-label distillation: "predicted boxes having IoU > 0.5
    w.r.t. its nearest ground truth box". Differs: the published soft-label configurations say 0.5 in their names and
    leave 0.1 in force; ignored regions are the published code's nearest objects too.

    Arguments:
        teacher_boxes: [B, N, 4] decoded xyxy boxes, pixels. A box with NaN or infinity gets 0.
        gt: ground truth of the same B images. Padding, ignored and malformed rows select nothing.
        min_iou: in [0, 1); the IoU must be greater, equality is not enough.

    Ties: two objects of equal IoU give the same weight.   Empty image: all 0.
    Cost: one pass over [G, N] pairs, in blocks; no host synchronisation.

    Raises:
        TypeError: boxes that are not floating point tensors.
        ValueError: shapes or devices that do not fit; `min_iou` out of range.

    Example:
        >>> from labelassign.distill.losses import select_boxes
        >>> gt = la.GroundTruth.from_list([{"boxes": [[0, 0, 4, 4]], "labels": [0]}])
        >>> select_boxes(torch.tensor([[[0.0, 0, 4, 3], [0, 0, 4, 2], [9, 9, 12, 12]]]), gt)
        tensor([[0.7500, 0.0000, 0.0000]])
    """
    who = "select_boxes"
    checks.number(who, "min_iou", min_iou, below=1.0)
    checks.boxes(who, "teacher_boxes", teacher_boxes)
    if teacher_boxes.ndim != 3:
        fail(who, "`teacher_boxes` [B, N, 4]", list(teacher_boxes.shape), "Add the batch axis: boxes[None].")
    images = {"gt": gt.num_images, "teacher_boxes": teacher_boxes.shape[0]}
    equal(who, "number of images", images, "Pass the ground truth of exactly the batch that the teacher saw.")
    same_device(who, (("gt", gt.boxes), ("teacher_boxes", teacher_boxes)))
    # the teacher's boxes in the place of priors: which object each of them overlaps most
    iou, *_ = match(teacher_boxes.detach(), None, *objects(gt), RESCUE_OFF, 0.0, False, False)
    return torch.where(iou > min_iou, iou, 0.0)
