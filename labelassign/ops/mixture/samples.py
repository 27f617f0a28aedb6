"""Which entries of a row are samples, and how likely they are: what fitting and separating share."""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

HALF_LOG_TAU = 0.5 * math.log(2.0 * math.pi)
# Samples beyond count as this large: the square of a standardised difference must stay finite. No float32 is.
LARGEST = 1e100
SMALLEST_REG = 1e-12  # the same bound from the other side


def samples(
    costs: Float[Tensor, "R K"], count: Int[Tensor, " R"], *, normalize: bool = False
) -> tuple[Float64[Tensor, "R K"], Bool[Tensor, "R K"]]:
    """Return the costs in float64, 0 where they are no sample, and the mask of samples.

    Padding and entries that are not finite are no samples. `normalize` maps the samples of a row to 0 … 1; equal
    samples become 0.
    """
    x = costs.detach().to(torch.float64)
    inside = (torch.arange(x.shape[1], device=x.device) < count[:, None]) & x.isfinite()
    x = x.clamp(-LARGEST, LARGEST).masked_fill(~inside, 0.0)
    if normalize and x.shape[1]:
        low, high = bounds(x, inside)
        span = (high - low).masked_fill(high <= low, 1.0)
        x = ((x - low[:, None]) / span[:, None]).masked_fill(~inside, 0.0)
    return x, inside


def bounds(
    x: Float64[Tensor, "R K"], inside: Bool[Tensor, "R K"]
) -> tuple[Float64[Tensor, " R"], Float64[Tensor, " R"]]:
    """Return the smallest and the largest sample of every row, 0 for a row without samples."""
    empty = ~inside.any(1)
    low = x.masked_fill(~inside, math.inf).amin(1).masked_fill(empty, 0.0)
    return low, x.masked_fill(~inside, -math.inf).amax(1).masked_fill(empty, 0.0)


def log_density(
    x: Float64[Tensor, "R K"],
    weights: Float64[Tensor, "2 R"],
    means: Float64[Tensor, "2 R"],
    variances: Float64[Tensor, "2 R"],
) -> Float64[Tensor, "2 R K"]:
    """Return log(weight · normal density) of every sample under both components."""
    precision = variances.sqrt().reciprocal()
    z = (x - means[..., None]).mul_(precision[..., None])
    offset = (weights * precision).log() - HALF_LOG_TAU
    return z.mul_(z).mul_(-0.5).add_(offset[..., None])
