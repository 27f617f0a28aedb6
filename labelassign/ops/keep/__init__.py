"""Op that leaves every object only its best priors."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.dispatch import Op
from labelassign.ops.keep import native
from labelassign.ops.keep.reference import keep_best as _reference

__all__ = ["keep_best"]


def _fake(index: Tensor, paid: Tensor, *rest: object) -> tuple[Tensor, Tensor]:
    return index.clone(), paid.clone()


keep_best = Op(
    "keep_best",
    "(Tensor index, Tensor paid, SymInt most, SymInt rows) -> (Tensor, Tensor)",
    _reference,
    _fake,
    {"native": (native.keep_best, native.refusal)},
).register()
"""Owners `[B, N]` and what their priors cost (non-negative float32), of each object only the `most` cheapest.

The others become background and cost +inf. Ties: lower prior. `rows`: G."""
