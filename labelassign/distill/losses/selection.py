"""Which of the teacher's boxes the student should learn, and how much each counts."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from labelassign.geometry import paired_iou

from . import _checks as checks


@runtime_checkable
class PackedObjects(Protocol):
    """What is read of the ground truth; `labelassign.GroundTruth` has it.

    Image i owns rows `offsets[i]:offsets[i + 1]`; rows past `offsets[-1]` are padding.

    Example:
        >>> from types import SimpleNamespace
        >>> import torch
        >>> from labelassign.distill.losses import PackedObjects
        >>> gt = SimpleNamespace(boxes=torch.zeros(0, 4), offsets=torch.tensor([0, 0]), ignore=torch.zeros(0).bool())
        >>> isinstance(gt, PackedObjects)
        True
    """

    @property
    def boxes(self) -> Tensor:
        """[G, 4] xyxy, pixels."""
        ...

    @property
    def offsets(self) -> Tensor:
        """[B + 1] integers, non-decreasing, from 0."""
        ...

    @property
    def ignore(self) -> Tensor:
        """[G] bool: regions that are not objects (crowds)."""
        ...


def _check(who: str, teacher_boxes: Tensor, gt: PackedObjects) -> None:
    checks.boxes(who, "teacher_boxes", teacher_boxes)
    checks.boxes(who, "gt.boxes", gt.boxes)
    if teacher_boxes.ndim != 3:
        checks.fail(who, "`teacher_boxes` [B, N, 4]", list(teacher_boxes.shape), "Add the batch axis: boxes[None].")
    images, rows = teacher_boxes.shape[0], gt.boxes.shape[0]
    if gt.boxes.ndim != 2 or gt.ignore.shape != (rows,) or gt.offsets.shape != (images + 1,):
        expected = f"`gt` of {images} images: boxes [G, 4], ignore [G], offsets [{images + 1}]"
        got = ", ".join(str(list(field.shape)) for field in (gt.boxes, gt.ignore, gt.offsets))
        checks.fail(who, expected, got, "Pass the ground truth of exactly the batch that the teacher saw.")
    if gt.boxes.device != teacher_boxes.device:
        checks.fail(who, f"`gt` on {teacher_boxes.device}", gt.boxes.device, "Move it with gt.to(device).")


@torch.no_grad()
def select_boxes(
    teacher_boxes: Float[Tensor, "B N 4"], gt: PackedObjects, *, min_iou: float = 0.5, max_pairs: int = 1 << 22
) -> Float[Tensor, "B N"]:
    """IoU of each teacher box with its nearest object where that exceeds `min_iou`, else 0.

    The nearest object is the one of highest IoU among the objects of the same image that are not ignored.
    The result is both the selection (greater than 0) and the weight of each selected box, and carries no gradient.

    Source: Nguyen et al., WACV 2022, arXiv:2108.10520, soft-label distillation: "predicted boxes having IoU > 0.5
    w.r.t. its nearest ground truth box". Differs: the published soft-label configurations say 0.5 in their names and
    leave 0.1 in force; ignored regions are the published code's nearest objects too.

    Arguments:
        teacher_boxes: [B, N, 4] decoded xyxy boxes, pixels. A box with NaN or infinity gets 0.
        gt: packed ground truth of the same B images, e.g. `labelassign.GroundTruth`. Padding rows, ignored rows and
            rows that are not finite select nothing.
        min_iou: in [0, 1); the IoU must be greater, equality is not enough.
        max_pairs: pairs held at a time; the priors are taken in pieces of that many pairs, which changes no value.

    Ties: two objects of equal IoU give the same weight.   Empty image: all 0.
    Cost: one pass over [G, N] pairs, memory O(max_pairs); no host synchronisation.

    Raises:
        TypeError: boxes that are not floating point tensors.
        ValueError: shapes or devices that do not fit; `min_iou` or `max_pairs` out of range.

    Example:
        >>> from types import SimpleNamespace
        >>> import torch
        >>> from labelassign.distill.losses import select_boxes
        >>> gt = SimpleNamespace(
        ...     boxes=torch.tensor([[0.0, 0, 4, 4]]), offsets=torch.tensor([0, 1]), ignore=torch.tensor([False])
        ... )
        >>> select_boxes(torch.tensor([[[0.0, 0, 4, 3], [0, 0, 4, 2], [9, 9, 12, 12]]]), gt)
        tensor([[0.7500, 0.0000, 0.0000]])
    """
    who = "select_boxes"
    checks.number(who, "min_iou", min_iou, below=1.0)
    checks.number(who, "max_pairs", max_pairs, low=1.0)
    _check(who, teacher_boxes, gt)
    rows = torch.arange(gt.boxes.shape[0], device=gt.boxes.device)
    image = torch.searchsorted(gt.offsets, rows, right=True).sub(1).clamp(0, teacher_boxes.shape[0] - 1)
    is_object = (rows < gt.offsets[-1]) & ~gt.ignore
    objects = gt.boxes.float()[:, None]
    pieces: list[Tensor] = []
    for boxes in teacher_boxes.float().split(max(1, max_pairs // max(1, len(rows))), dim=1):
        iou = paired_iou(objects, boxes[image])
        # Compared before the maximum: the NaN overlap of a broken box is not greater, and so cannot spread.
        close = torch.where((iou > min_iou) & is_object[:, None], iou, 0.0)
        best = torch.zeros_like(boxes[..., 0])
        pieces.append(best.scatter_reduce(0, image[:, None].expand_as(close), close, "amax"))
    return torch.cat(pieces, dim=1)
