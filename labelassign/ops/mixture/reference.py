"""Two-component, one-dimensional expectation maximisation for many rows at once: the definition.

Equals scikit-learn 1.9.1 `GaussianMixture(2, covariance_type="full", weights_init=[.5, .5], means_init=[[min], [max]],
precisions_init=1)` in float64: same steps, same stopping rule, same reported log-likelihood (tests/ops).
Differs: never raises; accepts rows of 0 and 1 samples; the responsibilities of a sample sum to 1 also where its
log density is so low (below about -1e15) that scikit-learn's `exp(a - logsumexp(a, b))` no longer does.

Source: Pedregosa et al., 2011, scikit-learn (BSD-3), sklearn/mixture/_base.py and _gaussian_mixture.py of 1.9.1.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Float64, Int, Int64
from torch import Tensor

from labelassign import checks
from labelassign.ops.mixture.samples import bounds, log_density, samples

TEN_EPS = 10.0 * torch.finfo(torch.float64).eps  # scikit-learn's guard for an empty component
LOWEST = -600.0  # exp(-600) is nothing beside 10 eps, and keeps slow subnormal numbers out of the products

# What a step changes, one row of the state each; the first three are pairs, low component first.
_WEIGHTS, _MEANS, _VARIANCES, _LIKELIHOOD, _STEPS, _CONVERGED = slice(0, 2), slice(2, 4), slice(4, 6), 6, 7, 8

Parameter = Float64[Tensor, "R 2"]
Fit = tuple[Parameter, Parameter, Parameter, Float64[Tensor, " R"], Int64[Tensor, " R"], Bool[Tensor, " R"]]


def fit(
    costs: Float[Tensor, "R K"],
    count: Int[Tensor, " R"],
    *,
    tol: float = 1e-3,
    max_steps: int = 100,
    reg: float = 1e-6,
    normalize: bool = False,
    data_variance: bool = False,
    leave_early: bool | None = None,
) -> Fit:
    """Fit every row; return weights, means, variances, log-likelihood, steps and converged as README.md defines them.

    `leave_early` drops finished rows and stops when none is left, which asks the tensor after every step; otherwise
    `max_steps` masked steps run without a host synchronisation. Same bits. None: early where asking costs nothing.
    """
    if costs.shape[1] == 0:
        costs = costs.new_zeros(costs.shape[0], 1)
    x, inside = samples(costs, count, normalize=normalize)
    filled = inside.any(1)
    if leave_early is None:
        leave_early = checks.values_visible(costs, count)
    loop = _leaving_loop if leave_early else _fixed_loop
    state = _start(x, inside, reg, data_variance=data_variance)
    state = loop(x, inside.to(x.dtype), state, filled, tol, max_steps, reg)
    # scikit-learn starts from -inf; a row without samples stays there
    likelihood = state[_LIKELIHOOD].masked_fill(~filled, 0.0)
    weights, means, variances = (
        state[part].T.clone(memory_format=torch.contiguous_format) for part in (_WEIGHTS, _MEANS, _VARIANCES)
    )
    return weights, means, variances, likelihood, state[_STEPS].to(torch.int64), state[_CONVERGED] > 0.0


def _start(x: Tensor, inside: Tensor, reg: float, *, data_variance: bool) -> Tensor:
    low, high = bounds(x, inside)
    one, nil = torch.ones_like(low), torch.zeros_like(low)
    variance = one
    if data_variance:
        size = inside.sum(1).clamp(min=1)
        spread = (x - (x.sum(1) / size)[:, None]).masked_fill(~inside, 0.0)
        variance = torch.where(inside.any(1), spread.square().sum(1) / size + reg, one)
    return torch.stack([0.5 * one, 0.5 * one, low, high, variance, variance, nil - math.inf, nil, nil])


def _em_step(x: Tensor, inside: Tensor, count: Tensor, state: Tensor, tol: float, reg: float) -> Tensor:
    """One E-step under `state`, then one M-step; the log-likelihood belongs to the parameters that came in."""
    density = log_density(x, state[_WEIGHTS], state[_MEANS], state[_VARIANCES])
    low, high = density.unbind()  # views: they follow what happens to `density` in place
    peak = torch.maximum(low, high)
    share = density.sub_(peak).clamp_(min=LOWEST).exp_()
    total = low + high
    share.mul_(inside / total)
    likelihood = peak.add_(total.log_()).mul_(inside).sum(1) / count
    size = share.sum(2) + TEN_EPS
    scratch = share * x
    means = scratch.sum(2) / size
    spread = torch.sub(x, means[..., None], out=scratch)
    variances = spread.mul_(spread).mul_(share).sum(2) / size + reg
    stop = (likelihood - state[_LIKELIHOOD]).abs() < tol
    rest = torch.stack([likelihood, state[_STEPS] + 1.0, stop.to(x.dtype)])
    return torch.cat([size / (size[0] + size[1]), means, variances, rest])


def _fixed_loop(
    x: Tensor, inside: Tensor, state: Tensor, active: Tensor, tol: float, max_steps: int, reg: float
) -> Tensor:
    count = inside.sum(1).clamp(min=1.0)
    for _ in range(max_steps):
        state = torch.where(active, _em_step(x, inside, count, state, tol, reg), state)
        active = active & (state[_CONVERGED] == 0.0)
    return state


def _leaving_loop(
    x: Tensor, inside: Tensor, state: Tensor, active: Tensor, tol: float, max_steps: int, reg: float
) -> Tensor:
    result, count = state.clone(), inside.sum(1).clamp(min=1.0)
    rows = torch.arange(x.shape[0], device=x.device)
    for _ in range(max_steps):
        left = int(active.sum())
        if left == 0:
            break
        # Not down to one row: torch may split the sum of one long row over threads, and so round it differently.
        if 2 <= left <= rows.shape[0] // 2:
            result[:, rows] = state
            rows, x, inside, count, state = rows[active], x[active], inside[active], count[active], state[:, active]
            active = active[active]
        state = torch.where(active, _em_step(x, inside, count, state, tol, reg), state)
        active = active & (state[_CONVERGED] == 0.0)
    result[:, rows] = state
    return result
