"""Localisation distillation: the student's boxes are pulled to the teacher's by generalised IoU."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from labelassign.checks import fail

from . import _checks as checks


def _area(corners: Tensor) -> Tensor:
    sides = (corners[..., 2:] - corners[..., :2]).clamp_min(0.0)
    return sides[..., 0] * sides[..., 1]


def _ratio(part: Tensor, whole: Tensor, eps: float) -> Tensor:
    # A plain floor under `whole` would leave a gradient of part's slope / eps, up to 1e8 per pixel, on empty boxes.
    return torch.where(whole <= eps, 0.0, part / whole.clamp_min(eps))  # a NaN stays one


def generalised_iou_loss(
    boxes: Float[Tensor, "*n 4"], target: Float[Tensor, "*n 4"], *, eps: float = 1e-7
) -> Float[Tensor, "*n"]:
    """1 − GIoU of box pairs, differentiable in both: 0 for identical boxes, up to 2 for far-away ones.

    Equals: torchvision.ops.generalized_box_iou_loss up to its additive 1e-7 (tests/distill). Differs: a union or an
    enclosing box of at most `eps` counts as no overlap and no penalty (loss 1, gradient 0), so that the gradient stays
    finite for boxes without area; inverted boxes (x2 < x1) have area 0. NaN gives NaN.

    Source: Rezatofighi et al., "Generalized Intersection over Union", CVPR 2019, arXiv:1902.09630, algorithm 1.

    Arguments:
        boxes: [..., 4] xyxy in any unit; half precision is computed in float32.
        target: the same shape and unit.
        eps: largest area, in that unit squared, that counts as none. Default 1e-7.

    Ties: where two corners coincide each box gets half of the gradient, so identical boxes may have a non-zero one
    (the loss has a kink there, like |x|).

    Raises:
        TypeError: boxes that are not floating point tensors.
        ValueError: shapes or devices that do not fit; `eps` below 0.

    Example:
        >>> import torch
        >>> from labelassign.distill.losses import generalised_iou_loss
        >>> a = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 1, 1]])
        >>> b = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1], [3, 0, 4, 1]])
        >>> generalised_iou_loss(a, b)
        tensor([0.0000, 0.5000, 1.5000])
    """
    who = "generalised_iou_loss"
    checks.boxes(who, "boxes", boxes)
    checks.boxes(who, "target", target)
    checks.same(who, "target", target, "boxes", boxes)
    checks.number(who, "eps", eps)
    dtype = torch.promote_types(torch.promote_types(boxes.dtype, target.dtype), torch.float32)
    a, b = boxes.to(dtype), target.to(dtype)
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    inter = _area(torch.cat((high[..., :2], low[..., 2:]), dim=-1))
    hull = _area(torch.cat((low[..., :2], high[..., 2:]), dim=-1))
    union = _area(a) + _area(b) - inter
    return 1 - _ratio(inter, union, eps) + _ratio(hull - union, hull, eps)


def localisation_distillation(
    student_boxes: Float[Tensor, "B N 4"],
    teacher_boxes: Float[Tensor, "B N 4"],
    weight: Float[Tensor, "B N"],
    normalizer: float | Float[Tensor, ""],
) -> Float[Tensor, ""]:
    """Sum of weight · (1 − GIoU) over all priors, divided by `normalizer`.

    Source: Nguyen et al., WACV 2022, arXiv:2108.10520, soft-label distillation: teacher boxes with IoU > 0.5 to the
    nearest ground truth, each weighted by that IoU (`select_boxes`). Differs: the official implementation clips both
    networks' boxes to the image first; here they are compared as given, and whoever wants that clips them.

    Arguments:
        student_boxes: [B, N, 4] decoded xyxy boxes, pixels.
        teacher_boxes: the same shape. Never receives a gradient.
        weight: [B, N] at least 0. Where it is 0 neither box is looked at: NaN there changes nothing.
        normalizer: positive number or 0-d tensor; a tensor's value is the caller's business (it is not read here).

    Empty: no priors, or all weights 0, gives 0 with a gradient of 0.

    Raises:
        TypeError: boxes or weights that are not floating point tensors.
        ValueError: shapes or devices that do not fit; a number that is not positive as `normalizer`.

    Example:
        >>> import torch
        >>> from labelassign.distill.losses import localisation_distillation
        >>> mine = torch.tensor([[[0.0, 0, 2, 2], [0, 0, 9, 9]]])
        >>> theirs = torch.tensor([[[0.0, 0, 2, 1], [5, 5, 6, 6]]])
        >>> localisation_distillation(mine, theirs, torch.tensor([[0.8, 0.0]]), 0.8)
        tensor(0.5000)
    """
    who = "localisation_distillation"
    checks.boxes(who, "student_boxes", student_boxes)
    checks.boxes(who, "teacher_boxes", teacher_boxes)
    checks.same(who, "teacher_boxes", teacher_boxes, "student_boxes", student_boxes)
    checks.floats(who, "weight", weight)
    checks.same(who, "weight", weight, "student_boxes[..., 0]", student_boxes[..., 0])
    if isinstance(normalizer, Tensor):
        if normalizer.ndim != 0:
            fail(who, "`normalizer` to be a number or 0-d", list(normalizer.shape), "Reduce it first.")
    else:
        checks.number(who, "normalizer", normalizer, low=torch.finfo(torch.float32).tiny)
    looked_at = (weight != 0)[..., None]
    student = student_boxes.where(looked_at, 0.0)
    teacher = teacher_boxes.detach().where(looked_at, 0.0)
    return (generalised_iou_loss(student, teacher) * weight).sum() / normalizer
