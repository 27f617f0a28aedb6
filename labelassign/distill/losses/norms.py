"""L1 and L2 distances between two networks' class probabilities, the paper's alternatives to the divergence."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from labelassign.checks import choice

from ._elementwise import REDUCTIONS, Kind, Reduction, prepare, reduced


def _gap(
    who: str, student: Tensor, teacher: Tensor, inputs: Kind, teacher_is: Kind | None, weight: Tensor | None
) -> Tensor:
    s, t, kind = prepare(who, student, teacher, inputs, teacher_is, weight)
    p = torch.sigmoid(s) if inputs == "logits" else s
    return p - (torch.sigmoid(t) if kind == "logits" else t)


def soft_l1(
    student: Float[Tensor, "*shape"],
    teacher: Float[Tensor, "*shape"],
    *,
    inputs: Kind = "logits",
    teacher_is: Kind | None = None,
    weight: Shaped[Tensor, "..."] | None = None,
    reduction: Reduction = "none",
) -> Float[Tensor, "..."]:
    """Absolute difference |p − t| of the student's and the teacher's probabilities, element by element.

    There is no focal factor and, with `inputs="logits"`, the gradient vanishes where the student's sigmoid saturates,
    on the wrong side too: `focal_kl` does not have that weakness. At p = t the gradient is 0.

    Source: Nguyen et al., WACV 2022, arXiv:2108.10520, the remark after equation 1 ("L1 and L2 loss can be also used").
    The arguments and errors are those of `focal_kl`, without `gamma` and `smooth`; probabilities are not clamped.

    Returns:
        Values in [0, 1], shaped [...] or 0-d; float32, or float64 if either input is float64.

    Example:
        >>> import torch
        >>> from labelassign.distill.losses import soft_l1
        >>> soft_l1(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.25]), teacher_is="probs")
        tensor([0.5000, 0.2500])
    """
    choice("soft_l1", "reduction", reduction, REDUCTIONS)
    return reduced(_gap("soft_l1", student, teacher, inputs, teacher_is, weight).abs(), weight, reduction)


def soft_l2(
    student: Float[Tensor, "*shape"],
    teacher: Float[Tensor, "*shape"],
    *,
    inputs: Kind = "logits",
    teacher_is: Kind | None = None,
    weight: Shaped[Tensor, "..."] | None = None,
    reduction: Reduction = "none",
) -> Float[Tensor, "..."]:
    """Squared difference (p − t)² of the student's and the teacher's probabilities, element by element.

    Saturation is as for `soft_l1`.

    Source: Nguyen et al., WACV 2022, arXiv:2108.10520, the remark after equation 1 ("L1 and L2 loss can be also used").
    The arguments and errors are those of `focal_kl`, without `gamma` and `smooth`; probabilities are not clamped.

    Returns:
        Values in [0, 1], shaped [...] or 0-d; float32, or float64 if either input is float64.

    Example:
        >>> import torch
        >>> from labelassign.distill.losses import soft_l2
        >>> soft_l2(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 0.25]), teacher_is="probs")
        tensor([0.2500, 0.0625])
    """
    choice("soft_l2", "reduction", reduction, REDUCTIONS)
    return reduced(_gap("soft_l2", student, teacher, inputs, teacher_is, weight).square(), weight, reduction)
