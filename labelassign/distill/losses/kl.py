"""The focal Kullback-Leibler divergence between two networks' class probabilities."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Shaped
from torch import Tensor
from torch.nn.functional import logsigmoid

from labelassign.checks import choice

from . import _checks as checks
from ._elementwise import REDUCTIONS, Kind, Reduction, prepare, reduced

# Where the student has no logits, log(p) needs a floor; this one is published with the official implementation.
PROBABILITY_FLOOR = 1e-4


class _Bernoulli(NamedTuple):
    p: Tensor
    log_p: Tensor
    log_not_p: Tensor


def _from_logits(x: Tensor) -> _Bernoulli:
    return _Bernoulli(torch.sigmoid(x), logsigmoid(x), logsigmoid(-x))


def _from_probs(p: Tensor) -> _Bernoulli:
    # The floor under the logarithms only keeps 0 · log 0 at 0: p = 0 and p = 1 themselves stay exact.
    tiny = torch.finfo(p.dtype).tiny
    return _Bernoulli(p, p.clamp_min(tiny).log(), (1 - p).clamp_min(tiny).log())


def _teacher_terms(teacher: Tensor, kind: Kind, floor: float) -> tuple[_Bernoulli, Tensor]:
    """The teacher's distribution and its 1 − p, which is worth computing from the logit: 1 − sigmoid(20) is 0."""
    if kind == "probs" or floor > 0:
        p = torch.sigmoid(teacher) if kind == "logits" else teacher
        terms = _from_probs(p.clamp(floor, 1 - floor))
        return terms, 1 - terms.p
    largest = torch.finfo(teacher.dtype).max
    teacher = teacher.clamp(-largest, largest)  # an infinite logit means exactly 0 or 1, and 0 · inf would be NaN
    return _from_logits(teacher), torch.sigmoid(-teacher)


def _focal_factor(gap: Tensor, gamma: float, smooth: float) -> Tensor:
    """(gap² + smooth)^(gamma / 2), with a finite gradient everywhere."""
    square = gap.square() + smooth
    if smooth > 0:
        return square.pow(gamma / 2)
    # The power has an infinite slope at 0 for gamma < 2; the product with the divergence has slope 0 there.
    zero = square == 0
    return square.masked_fill(zero, 1.0).pow(gamma / 2).masked_fill(zero, 0.0)


def focal_kl(
    student: Float[Tensor, "*shape"],
    teacher: Float[Tensor, "*shape"],
    *,
    gamma: float = 0.5,
    inputs: Kind = "logits",
    teacher_is: Kind | None = None,
    smooth: float = 1e-6,
    weight: Shaped[Tensor, "..."] | None = None,
    reduction: Reduction = "none",
) -> Float[Tensor, "..."]:
    """Focal Kullback-Leibler divergence of the student from the teacher, element by element.

    With t and p the teacher's and the student's probability of one class at one prior,

        (t log(t / p) + (1 − t) log((1 − t) / (1 − p))) · ((t − p)² + smooth)^(gamma / 2).

    Every class is a Bernoulli variable of its own (a sigmoid, not a softmax); the sum over classes in the paper is
    `reduction="sum"`. The gradient flows through the focal factor as well as through the divergence.
    For a teacher of zeros and ones, `teacher_is="probs"` and `smooth=0`, this is the focal loss without α
    (torchvision.ops.sigmoid_focal_loss with alpha=-1).

    Source: Nguyen et al., "Improving Object Detection by Label Assignment Distillation", WACV 2022, arXiv:2108.10520,
    equation 1. Differs: the paper's factor is |t − p|^gamma, whose slope at t = p is infinite for gamma < 1; the
    official implementation adds the 1e-6 that is `smooth` here, and so do we. `smooth=0` is the equation itself, with
    the slope at t = p taken from the whole product, which is 0.

    Arguments:
        student: [...] any floating dtype, finite; logits or probabilities, as `inputs` says. NaN gives NaN.
        teacher: the same shape. Never receives a gradient. Infinite logits mean exactly 0 or 1.
        gamma: focal exponent, at least 0; 0 is the plain divergence. Default 0.5, as published.
        inputs: what the student's tensor holds. "logits" is stable at any finite logit. "probs" clamps both networks'
            probabilities to [1e-4, 1 − 1e-4] (and so never equals the focal loss at the ends); it is for heads whose
            score is a product of probabilities and has no logit.
        teacher_is: what the teacher's tensor holds; None means the same as `inputs`. With `inputs="logits"` and
            "probs" the teacher is used as it is: 0 and 1 are exact.
        smooth: added to the squared gap, at least 0.
        weight: broadcasts to [...]; multiplies the loss. Where it is 0 the inputs are not looked at.
        reduction: "none" gives [...], "sum" and "mean" a 0-d tensor; the mean divides by the number of elements,
            whatever their weights, and is 0 when there are none.

    Returns:
        At least 0, in nats; float32, or float64 if either input is float64 (half precision is computed in float32).

    Raises:
        TypeError: an input is not a floating point tensor, or a number is none.
        ValueError: shapes or devices differ, an option is out of range, or (on CPU tensors, outside torch.compile) a
            probability lies outside [0, 1].

    Example:
        >>> import torch
        >>> from labelassign.distill.losses import focal_kl
        >>> p, t = torch.tensor([0.3]), torch.tensor([0.9])
        >>> focal_kl(p.logit(), t, teacher_is="probs")
        tensor([0.6152])
        >>> focal_kl(p, t, inputs="probs", gamma=2.0)
        tensor([0.2859])
        >>> focal_kl(torch.tensor([200.0, -3.0]), torch.tensor([-200.0, -3.0]), reduction="sum")
        tensor(200.0000)
    """
    who = "focal_kl"
    checks.number(who, "gamma", gamma)
    checks.number(who, "smooth", smooth)
    choice(who, "reduction", reduction, REDUCTIONS)
    s, t, kind = prepare(who, student, teacher, inputs, teacher_is, weight)
    floor = PROBABILITY_FLOOR if inputs == "probs" else 0.0
    ours = _from_probs(s.clamp(floor, 1 - floor)) if inputs == "probs" else _from_logits(s)
    theirs, not_t = _teacher_terms(t, kind, floor)
    # Term by term, equal logits cancel to exactly 0.
    kl = theirs.p * (theirs.log_p - ours.log_p) + not_t * (theirs.log_not_p - ours.log_not_p)
    # Nearly equal inputs may round below 0: lift the value alone, a clamp would drop their derivatives.
    kl = kl - kl.detach().clamp_max(0.0)
    loss = kl if gamma == 0 else kl * _focal_factor(theirs.p - ours.p, gamma, smooth)
    return reduced(loss, weight, reduction)
