"""From candidate costs to their state, in one go: the definition."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.ops.mixture.reference import fit
from labelassign.ops.mixture.separate import component_and_score, separate


def settle(
    costs: Tensor,
    tol: float,
    max_steps: int,
    reg: float,
    normalize: bool,
    data_variance: bool,
    scheme: str,
    single: str,
    empty_low: str,
    prefix: str,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `labelassign.ops.mixture.settle`."""
    cost, order = costs.sort(dim=1, stable=True)
    count = torch.isfinite(cost).sum(1)
    options = {"normalize": normalize, "data_variance": data_variance}
    weights, means, variances, _, steps, converged = fit(cost, count, tol=tol, max_steps=max_steps, reg=reg, **options)
    labels = component_and_score(cost, count, weights, means, variances, normalize=normalize)
    state = separate(cost, count, *labels, scheme=scheme, single=single, empty_low=empty_low, prefix=prefix)
    return torch.zeros_like(state).scatter(1, order, state), steps, converged
