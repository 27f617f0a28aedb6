"""From costs to states in Triton: one program fits, classifies and separates one row, all of it in registers.

Nothing is sorted: the order of equal costs is that of their places, so every question about ranks is one about
(cost, place) keys. Arithmetic is float64 in the order of `reference.py`; sums over a row are trees.
"""
# ruff: noqa: ANN001, ANN201, D103 - Triton's own language: pointers and blocks of numbers, `if` by constants
# pyright: basic, reportOperatorIssue=false, reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from labelassign.ops.accelerator import launch, power_of_two
from labelassign.ops.mixture.reference import LOWEST, TEN_EPS
from labelassign.ops.mixture.samples import HALF_LOG_TAU
from labelassign.ops.mixture.separate import TIE

HALF_LOG, GUARD = tl.constexpr(HALF_LOG_TAU), tl.constexpr(TEN_EPS)
FLOOR, CLOSE = tl.constexpr(LOWEST), tl.constexpr(TIE)
NEVER = tl.constexpr(0x7FFFFFFFFFFFFFFF)


@triton.jit
def log_density(x, weight, mean, variance):
    precision = 1.0 / tl.sqrt(variance)
    z = (x - mean) * precision
    return z * z * -0.5 + (tl.log(weight * precision) - HALF_LOG)


@triton.jit
def moments(x, share, size, reg):
    mean = tl.sum(share * x, 0) / size
    off = x - mean
    return mean, tl.sum(off * off * share, 0) / size + reg


@triton.jit
def fit(x, inside, n, TOL: tl.constexpr, REG: tl.constexpr, DATA_VARIANCE: tl.constexpr, max_steps):
    """Weights, means and variances of both components, steps and whether `TOL` stopped them; n >= 1 samples."""
    m0 = tl.min(tl.where(inside, x, float("inf")), 0)
    m1 = tl.max(tl.where(inside, x, float("-inf")), 0)
    one = tl.full([], 1.0, tl.float64)
    tol = tl.full([], TOL, tl.float64)  # a bare number in a comparison would be rounded to float32 first
    v0 = one
    if DATA_VARIANCE:
        off = tl.where(inside, x - tl.sum(x, 0) / n, 0.0)
        v0 = tl.sum(off * off, 0) / n + REG
    v1, w0, w1 = v0, one * 0.5, one * 0.5
    likelihood, steps, close, going = one * float("-inf"), 0, 0, max_steps > 0
    while going:
        low, high = log_density(x, w0, m0, v0), log_density(x, w1, m1, v1)
        peak = tl.maximum(low, high)
        low, high = low - peak, high - peak
        low, high = tl.exp(tl.where(low < FLOOR, FLOOR, low)), tl.exp(tl.where(high < FLOOR, FLOOR, high))
        total = low + high
        part = tl.where(inside, 1.0 / total, 0.0)
        low, high = low * part, high * part
        now = tl.sum(tl.where(inside, peak + tl.log(total), 0.0), 0) / n
        n0, n1 = tl.sum(low, 0) + GUARD, tl.sum(high, 0) + GUARD
        m0, v0 = moments(x, low, n0, REG)
        m1, v1 = moments(x, high, n1, REG)
        w0, w1 = n0 / (n0 + n1), n1 / (n0 + n1)
        steps += 1
        close = (tl.abs(now - likelihood) < tol).to(tl.int32)
        likelihood = now
        going = (close == 0) & (steps < max_steps)
    return w0, w1, m0, m1, v0, v1, steps, close


@triton.jit
def peak_of(member, score, key):
    """Key of the best member, the cheapest of equals up to a tie; that of no sample where there is no member."""
    best = tl.max(tl.where(member, score, float("-inf")), 0)
    size = tl.abs(best)
    reach = best - tl.where(size < 1.0, 1.0, size) * CLOSE
    return tl.min(tl.where(member & (score >= reach), key, NEVER), 0)


@triton.jit
def separate(
    key, cost, inside, component, score, n,
    SCHEME: tl.constexpr, SINGLE_STAYS: tl.constexpr, ALL_IF_EMPTY: tl.constexpr, INTERLEAVED: tl.constexpr,
):  # fmt: skip
    low, high = inside & (component == 0), inside & (component == 1)
    positive, ignored = low, inside & (component < 0)  # nothing is ignored yet
    if SCHEME == "b" or SCHEME == "c":
        until = key <= peak_of(low, score, key)
        positive = until & (inside if INTERLEAVED else low)
        if SCHEME == "b":
            ignored = low & (until == 0)
    if SCHEME == "d":
        peak = peak_of(high, score, key)
        last = tl.max(tl.where(key == peak, cost, float("-inf")), 0)
        ignored = high & (cost <= last)
    empty = tl.max(low.to(tl.int32), 0) == 0
    if empty:
        positive = inside & ALL_IF_EMPTY
        ignored = inside & (component < 0)
    if n == 1:
        positive = inside & SINGLE_STAYS
    return positive.to(tl.int32) - ignored.to(tl.int32)


@triton.jit
def settled(
    key, cost, inside, max_steps,
    TOL: tl.constexpr, REG: tl.constexpr, NORMALIZE: tl.constexpr, DATA_VARIANCE: tl.constexpr,
    SCHEME: tl.constexpr, SINGLE_STAYS: tl.constexpr, ALL_IF_EMPTY: tl.constexpr, INTERLEAVED: tl.constexpr,
    K: tl.constexpr,
):  # fmt: skip
    """The states of a row's costs, whose order is that of their keys, and how the fit ended."""
    count = tl.sum(inside.to(tl.int32), 0)
    steps, close, state = 0, 0, tl.zeros([K], tl.int32)
    if count > 0:
        n = count.to(tl.float64)
        x = tl.where(inside, cost, 0.0).to(tl.float64)
        if NORMALIZE:
            least = tl.min(tl.where(inside, x, float("inf")), 0)
            span = tl.max(tl.where(inside, x, float("-inf")), 0) - least
            x = tl.where(inside, (x - least) / tl.where(span <= 0.0, 1.0, span), 0.0)
        w0, w1, m0, m1, v0, v1, steps, close = fit(x, inside, n, TOL, REG, DATA_VARIANCE, max_steps)
        low, high = log_density(x, w0, m0, v0), log_density(x, w1, m1, v1)
        peak = tl.maximum(low, high)
        score = peak + tl.log(tl.exp(low - peak) + tl.exp(high - peak))
        component = (high > low).to(tl.int32)
        state = separate(
            key, cost, inside, component, score, count, SCHEME, SINGLE_STAYS, ALL_IF_EMPTY, INTERLEAVED
        )  # fmt: skip
    return state, steps, close


@triton.jit
def ordered(cost, place):
    """Keys in the order of costs, then of places, and which costs are samples."""
    cost = cost + 0.0  # one zero, not two
    inside = tl.abs(cost) < float("inf")
    bits = cost.to(tl.int32, bitcast=True)
    bits = tl.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    return tl.where(inside, (bits.to(tl.int64) << 32) | place.to(tl.int64), NEVER), inside


@triton.jit(do_not_specialize=["columns", "max_steps"])
def settle_kernel(
    COSTS, STATE, STEPS, CONVERGED, columns, max_steps,
    TOL: tl.constexpr, REG: tl.constexpr, NORMALIZE: tl.constexpr, DATA_VARIANCE: tl.constexpr,
    SCHEME: tl.constexpr, SINGLE_STAYS: tl.constexpr, ALL_IF_EMPTY: tl.constexpr, INTERLEAVED: tl.constexpr,
    K: tl.constexpr,
):  # fmt: skip
    """One row."""
    row, k = tl.program_id(0), tl.arange(0, K)
    place = row.to(tl.int64) * columns + k
    cost = tl.load(COSTS + place, mask=k < columns, other=float("inf"))
    key, inside = ordered(cost, k)
    state, steps, close = settled(
        key, cost, inside, max_steps, TOL, REG, NORMALIZE, DATA_VARIANCE,
        SCHEME, SINGLE_STAYS, ALL_IF_EMPTY, INTERLEAVED, K,
    )  # fmt: skip
    tl.store(STATE + place, state, mask=k < columns)
    tl.store(STEPS + row, steps)
    tl.store(CONVERGED + row, close)


def rules_of(
    tol: float,
    reg: float,
    normalize: bool,
    data_variance: bool,
    scheme: str,
    single: str,
    empty_low: str,
    prefix: str,
) -> dict[str, Any]:
    """How `settled` fits and separates."""
    fitted = {"TOL": tol, "REG": reg, "NORMALIZE": normalize, "DATA_VARIANCE": data_variance}
    separated = {"SCHEME": scheme, "SINGLE_STAYS": single == "positive", "ALL_IF_EMPTY": empty_low == "all"}
    return {**fitted, **separated, "INTERLEAVED": prefix == "interleaved"}


def settle(
    costs: Tensor,
    tol: float,
    max_steps: int,
    *rules: Any,
) -> tuple[Tensor, Tensor, Tensor]:
    """See `labelassign.ops.mixture.settle`."""
    rows, columns = costs.shape
    costs = costs.contiguous()
    state, steps = torch.empty_like(costs, dtype=torch.int8), costs.new_empty(rows, dtype=torch.int64)
    converged = costs.new_empty(rows, dtype=torch.bool)
    width = power_of_two(columns, 32)
    given = (costs, state, steps, converged.view(torch.int8), columns, max_steps)
    warps, chosen = min(8, power_of_two(width // 64)), rules_of(tol, *rules)
    launch(settle_kernel, (rows,), costs, *given, warps=warps, K=width, **chosen)
    return state, steps, converged
