"""One-to-one matching of least total cost.

The one place of the package that waits for the device: a matching of least cost is a sequential search, which the host
does best. All images, groups and decoder layers go there in one copy, and their answer comes back in one.
"""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.dispatch import Op
from labelassign.solvers.dispatch import SOLVERS, require
from labelassign.solvers.dispatch import linear_assignment as _reference

__all__ = ["SOLVERS", "linear_assignment", "require"]


def _fake(cost: Tensor, offsets: Tensor, *rules: object) -> Tensor:
    return offsets.new_empty(offsets.shape[0] - 1, cost.shape[1])


linear_assignment = Op(
    "linear_assignment",
    "(Tensor cost, Tensor offsets, SymInt groups, SymInt repeats, str solver) -> Tensor",
    _reference,
    _fake,
    waits=True,
).register()
"""Which row every query takes `[B, N]`, -1 where none, from the costs `[G, N]` of rows with queries of their image.

In every image, and there in each of `groups` equal parts of the queries, as many pairs of finite cost as there can be,
and of all such choices one with the least sum of costs. A pair of cost +inf is never taken. A row takes up to `repeats`
queries, fewer where there are too few for all rows (so many that every row gets equally many, but one at least).
"""
