"""Which of several equally good matchings: the lower query, then the lower row."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

# not numpy.typing, whose import takes longer than that of this whole package's solvers
Costs: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"
Index: TypeAlias = "np.ndarray[Any, np.dtype[np.int64]]"
Flags: TypeAlias = "np.ndarray[Any, np.dtype[np.bool_]]"


def settle(cost: Costs, row: Index, query: Index) -> tuple[Index, Index]:
    """The pairs, changed as long as the sum of costs stays the same.

    A row moves to a lower free query of the same cost; two rows exchange queries at the same cost in sum, so that the
    lower row has the lower query. Each step lowers the sum of the queries, or leaves it and sorts: there is an end.
    """
    while True:
        own = cost[row, query]
        moves = _moves(cost[row] == own[:, None], query)
        if moves is None:
            moves = _swaps(cost[row[:, None], query], own, row, query)
        if moves is None:
            return row, query
        query = query.copy()
        at, new = moves
        query[at] = new


def _moves(fits: Flags, query: Index) -> tuple[Any, Any] | None:
    """The first pair whose row finds a lower free query as good, and that query."""
    if (fits.argmax(1) == query).all():  # nothing lower is as good, free or not: as good as always
        return None
    fits[:, query] = False
    lower = fits.argmax(1)
    found = fits[np.arange(len(query)), lower] & (lower < query)
    at = found.argmax()
    return (at, lower[at]) if found[at] else None


def _swaps(other: Costs, own: Costs, row: Index, query: Index) -> tuple[Any, Any] | None:
    """The first two pairs that may exchange their queries, and these."""
    same = other + other.T == own + own[:, None]
    if np.count_nonzero(same) == len(own):  # each with itself
        return None
    same &= (row[:, None] < row) & (query[:, None] > query)
    first = int(same.any(1).argmax())
    if not same[first].any():
        return None
    # the lowest query first: equal rows are in order after one exchange each
    at = [first, int(np.where(same[first], query, query.max()).argmin())]
    return at, query[at[::-1]]
