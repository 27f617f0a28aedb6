"""From a fitted mixture to positives: component and score of every sample, then a separation scheme."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Float64, Int, Int8, Int64
from torch import Tensor

from labelassign.ops.mixture.samples import log_density, samples

SCHEMES = ("a", "b", "c", "d")
SINGLE = ("positive", "drop")
EMPTY_LOW = ("all", "none")
PREFIX = ("component", "interleaved")
# Scores closer than this, relative and absolute, are equal: two samples alone in a component lie symmetrically about
# its mean, and which of them then has the higher score is decided by rounding, on every path in another way.
TIE = 1e-9


def component_and_score(
    costs: Float[Tensor, "R K"],
    count: Int[Tensor, " R"],
    weights: Float64[Tensor, "R 2"],
    means: Float64[Tensor, "R 2"],
    variances: Float64[Tensor, "R 2"],
    *,
    normalize: bool = False,
) -> tuple[Int64[Tensor, "R K"], Float64[Tensor, "R K"]]:
    """Return the likelier component of every sample, and the log density of the mixture there.

    Equals scikit-learn's `predict` and `score_samples`: component 0 on ties. Entries that are no samples (padding, not
    finite) get component -1 and score 0. Equal costs get equal scores. `normalize` must be what it was in `fit`.
    """
    x, inside = samples(costs, count, normalize=normalize)
    low, high = log_density(x, weights.T, means.T, variances.T).unbind()
    peak = torch.maximum(low, high)
    score = peak + ((low - peak).exp() + (high - peak).exp()).log()
    component = (high > low).to(torch.int64).masked_fill(~inside, -1)
    return component, score.masked_fill(~inside, 0.0)


def separate(
    costs: Float[Tensor, "R K"],
    count: Int[Tensor, " R"],
    component: Int64[Tensor, "R K"],
    score: Float64[Tensor, "R K"],
    *,
    scheme: str = "c",
    single: str = "positive",
    empty_low: str = "all",
    prefix: str = "component",
) -> Int8[Tensor, "R K"]:
    """Return 1 (positive), 0 (negative, or padding) or -1 (ignored) for every sample; README.md defines the options.

    Rows must be sorted by ascending cost. The peak of a component is its sample of highest score, the first on ties up
    to `TIE`.
    """
    if costs.shape[1] == 0:
        return torch.zeros_like(component, dtype=torch.int8)
    place = torch.arange(costs.shape[1], device=costs.device)
    inside = (place < count[:, None]) & (component >= 0)
    low, high = inside & (component == 0), inside & (component == 1)
    nothing = torch.zeros_like(inside)
    positive, ignored = low, nothing
    if scheme in {"b", "c"}:
        up_to_peak = place <= _peak(low, score)
        positive = up_to_peak & (inside if prefix == "interleaved" else low)
        ignored = low & ~up_to_peak if scheme == "b" else nothing
    elif scheme == "d":
        ignored = high & (costs <= costs.gather(1, _peak(high, score)))
    # Last, for it decides whichever component holds the sample: a row of one.
    empty, lone = ~low.any(1, keepdim=True), (count == 1)[:, None]
    positive = torch.where(empty, inside if empty_low == "all" else nothing, positive)
    positive = torch.where(lone, inside if single == "positive" else nothing, positive)
    return positive.to(torch.int8) - (ignored & ~empty).to(torch.int8)


def _peak(member: Bool[Tensor, "R K"], score: Float64[Tensor, "R K"]) -> Int64[Tensor, "R 1"]:
    """Place of the highest score among members, the smallest on ties; the last place where there is no member."""
    best = score.masked_fill(~member, -math.inf).amax(1, keepdim=True)
    last = score.shape[1] - 1
    place = torch.arange(last + 1, device=score.device).expand_as(score)
    top = member & (score >= best - TIE * best.abs().clamp(min=1.0))
    return place.masked_fill(~top, last).amin(1, keepdim=True)
