"""Ops of the two-component mixture: fitting it, and separating candidates with it."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.accelerator import lazily
from labelassign.ops.dispatch import Op
from labelassign.ops.mixture import limits, native, reference
from labelassign.ops.mixture import settle as _settle
from labelassign.ops.mixture.separate import component_and_score, separate

__all__ = ["FIT", "SEPARATION", "classify", "component_and_score", "mixture", "separate", "settle"]

FIT = "float tol, int max_steps, float reg, bool normalize, bool data_variance"
SEPARATION = "str scheme, str single, str empty_low, str prefix"


def _fit(
    costs: Tensor, count: Tensor, tol: float, max_steps: int, reg: float, normalize: bool, data_variance: bool
) -> tuple[Tensor, ...]:
    return reference.fit(
        costs, count, tol=tol, max_steps=max_steps, reg=reg, normalize=normalize, data_variance=data_variance
    )


def _fake(costs: Tensor, count: Tensor, *options: object) -> tuple[Tensor, ...]:
    pair, one = costs.new_empty(costs.shape[0], 2).double(), costs.new_empty(costs.shape[0])
    return pair, pair.clone(), pair.clone(), one.double(), one.long(), one.bool()


mixture = Op(
    "mixture",
    f"(Tensor costs, Tensor count, {FIT}) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    _fit,
    _fake,
    {"native": (native.mixture, native.refusal)},
).register()
"""Fit two Gaussians to the first `count[r]` costs of every row r of `costs [R, K]`, float64 inside.

Gives weights, means, variances `[R, 2]`, log-likelihood `[R]` (float64), steps `[R]` (int64), converged `[R]` (bool),
the fields of `MixtureFit` in their order. README.md says what they are; the body leaves early on CPU tensors."""


def _classify(
    costs: Tensor, count: Tensor, weights: Tensor, means: Tensor, variances: Tensor, normalize: bool
) -> tuple[Tensor, Tensor]:
    return component_and_score(costs, count, weights, means, variances, normalize=normalize)


def _fake_classify(costs: Tensor, *rest: object) -> tuple[Tensor, Tensor]:
    one = costs.new_empty(costs.shape)
    return one.long(), one.double()


classify = Op(
    "classify",
    "(Tensor costs, Tensor count, Tensor weights, Tensor means, Tensor variances, bool normalize) -> (Tensor, Tensor)",
    _classify,
    _fake_classify,
    {"native": (native.classify, native.refusal_of_classify)},
).register()
"""`component_and_score` as an op, so that compiled code decides by the same logarithms; both `[R, K]`."""


def _fake_settle(costs: Tensor, *options: object) -> tuple[Tensor, Tensor, Tensor]:
    rows = costs.new_empty(costs.shape[0])
    return costs.new_empty(costs.shape).char(), rows.long(), rows.bool()


settle = Op(
    "settle",
    f"(Tensor costs, {FIT}, {SEPARATION}) -> (Tensor, Tensor, Tensor)",
    _settle.settle,
    _fake_settle,
    {"triton": (lazily("mixture", "settle"), limits.refusal), "native": (native.settle, native.refusal_of_settle)},
).register()
"""Sort every row of costs `[R, K]` (+inf: no candidate; ties by place), fit, classify and separate it.

Gives the state of every candidate `[R, K]` int8 in its place, steps `[R]` (int64) and converged `[R]` (bool)."""
