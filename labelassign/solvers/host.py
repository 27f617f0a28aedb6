"""Matching on the host, image by image and group by group."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

from labelassign.solvers.ties import Costs, Flags, Index, settle

Solve: TypeAlias = Callable[[Costs], tuple[Any, Any]]


def matched(solve: Solve, values: Costs, offsets: list[int], groups: int, repeats: int) -> Index:
    """Row of every query `[B, N]`, -1 where none, from the costs `[G, N]`."""
    images, n = len(offsets) - 1, values.shape[1] // groups
    out = np.full((images, values.shape[1]), -1, dtype=np.int64)
    finite = np.isfinite(values)
    whole = np.logical_and.reduce(finite, axis=1)
    for image, (first, last) in enumerate(itertools.pairwise(offsets)):
        plain = whole[first:last].all()
        for begin in range(0, n * groups, n) if n and last > first else ():
            block = values[first:last, begin : begin + n]
            if plain:
                row, query = _pairs(solve, block, repeats)
            else:
                row, query = _finite_pairs(solve, block, finite[first:last, begin : begin + n], repeats)
            out[image, begin + query] = first + row
    return out


def _finite_pairs(solve: Solve, cost: Costs, finite: Flags, repeats: int) -> tuple[Index, Index]:
    """Without rows and queries that have no finite cost at all; a pair that still has none is not taken."""
    rows, queries = (np.flatnonzero(np.logical_or.reduce(finite, axis=axis)) for axis in (1, 0))
    if not len(rows):
        return rows, queries[:0]
    kept, fits = cost[np.ix_(rows, queries)], finite[np.ix_(rows, queries)]
    row, query = _pairs(solve, kept if fits.all() else _with_prices(kept, fits, repeats), repeats)
    taken = fits[row, query]
    return rows[row[taken]], queries[query[taken]]


def _with_prices(cost: Costs, fits: Flags, repeats: int) -> Costs:
    """A price in place of +inf that no saving elsewhere can be worth: the most finite pairs, then the lowest sum.

    No larger than it must be: in the sums that the solver makes, a huge number would swallow the costs.
    """
    low, high = cost[fits].min(), cost[fits].max()
    pairs = min(cost.shape[0] * repeats, cost.shape[1])
    return np.where(fits, cost, high + (pairs + 1) * (high - low) + 1.0)


def _pairs(solve: Solve, cost: Costs, repeats: int) -> tuple[Index, Index]:
    """Rows and queries of the matching of least cost; all costs are finite."""
    rows, queries = cost.shape
    times = max(1, min(repeats, queries // rows))
    row, query = solve(cost if times == 1 else np.repeat(cost, times, axis=0))
    return settle(cost, row // times, query)
