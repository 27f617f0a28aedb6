"""The ops on the compiled library."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops.mixture.separate import EMPTY_LOW, PREFIX, SCHEMES, SINGLE
from labelassign.ops.native import bind

FIT, CLASSIFY, SETTLE = 5, 6, 7


def refusal(*args: Any) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    return bind.unfit("fl", args)


def mixture(costs: Tensor, count: Tensor, *fit: Any) -> Any:
    """See `labelassign.ops.mixture`."""
    rows = costs.shape[0]
    call = bind.Call()
    call.values += costs.shape
    call.tensor(costs)
    call.tensor(count)
    call.values += fit
    weights, means, variances = (torch.empty(rows, 2, dtype=torch.float64) for _ in range(3))
    likelihood, steps = torch.empty(rows, dtype=torch.float64), torch.empty(rows, dtype=torch.int64)
    converged = torch.empty(rows, dtype=torch.bool)
    out = (weights, means, variances, likelihood, steps, converged)
    call.outputs(*out)
    return out if call.run(FIT) else NotImplemented


def refusal_of_classify(*args: Any) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    return bind.unfit("flddd", args)


def classify(costs: Tensor, count: Tensor, weights: Tensor, means: Tensor, variances: Tensor, normalize: bool) -> Any:
    """See `labelassign.ops.mixture.classify`."""
    call = bind.Call()
    call.values += costs.shape
    for t in (costs, count, weights, means, variances):
        call.tensor(t)
    call.values.append(normalize)
    component = torch.empty(costs.shape, dtype=torch.int64)
    score = torch.empty(costs.shape, dtype=torch.float64)
    call.outputs(component, score)
    return (component, score) if call.run(CLASSIFY) else NotImplemented


def separation(scheme: str, single: str, empty_low: str, prefix: str) -> tuple[int, ...]:
    """`struct Separation`."""
    return SCHEMES.index(scheme), SINGLE.index(single), EMPTY_LOW.index(empty_low), PREFIX.index(prefix)


def refusal_of_settle(*args: Any) -> str | None:
    """Why the library does not take these arguments; None if it does."""
    return bind.unfit("f", args)


def settle(costs: Tensor, *options: Any) -> Any:
    """See `labelassign.ops.mixture.settle`."""
    call = bind.Call()
    call.values += costs.shape
    call.tensor(costs)
    call.values += (*options[:5], *separation(*options[5:]))
    state = torch.empty(costs.shape, dtype=torch.int8)
    steps, converged = torch.empty(costs.shape[0], dtype=torch.int64), torch.empty(costs.shape[0], dtype=torch.bool)
    call.outputs(state, steps, converged)
    return (state, steps, converged) if call.run(SETTLE) else NotImplemented
