"""What the element-wise losses share: precision, shielding and reduction."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from labelassign.checks import choice

from . import _checks as checks

Kind = Literal["logits", "probs"]
Reduction = Literal["none", "sum", "mean"]

KINDS = ("logits", "probs")
REDUCTIONS = ("none", "sum", "mean")


def prepare(
    who: str, student: Tensor, teacher: Tensor, inputs: Kind, teacher_is: Kind | None, weight: Tensor | None
) -> tuple[Tensor, Tensor, Kind]:
    """Check one student-teacher pair and bring it to working precision.

    Returns (student, teacher, teacher_is): both float32, or float64 if either is; the teacher detached; zeros where
    `weight` is 0, so that what stands there reaches neither the value nor the gradient.
    """
    checks.floats(who, "student", student)
    checks.floats(who, "teacher", teacher)
    choice(who, "inputs", inputs, KINDS)
    kind = inputs if teacher_is is None else teacher_is
    choice(who, "teacher_is", kind, KINDS)
    checks.same(who, "teacher", teacher, "student", student)
    dtype = torch.promote_types(torch.promote_types(student.dtype, teacher.dtype), torch.float32)
    student, teacher = student.to(dtype), teacher.detach().to(dtype)
    if weight is not None:
        checks.weight(who, weight, student)
        looked_at = weight != 0
        student, teacher = student.where(looked_at, 0.0), teacher.where(looked_at, 0.0)
    if inputs == "probs":
        checks.probabilities(who, "student", student)
    if kind == "probs":
        checks.probabilities(who, "teacher", teacher)
    return student, teacher, kind


def reduced(loss: Tensor, weight: Tensor | None, reduction: Reduction) -> Tensor:
    """Weigh `loss` and reduce it; the mean counts every element, and the mean of no element is 0."""
    if weight is not None:
        loss = loss * weight.to(loss.dtype)
    if reduction == "none":
        return loss
    total = loss.sum()
    return total if reduction == "sum" else total / max(loss.numel(), 1)
