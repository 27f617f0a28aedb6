"""The matching of least cost: against all matchings there are, and in every kind of block."""

import builtins
import itertools
from unittest.mock import patch

import numpy as np
import pytest
import torch

from labelassign.solvers import SOLVERS, linear_assignment, ties
from labelassign.solvers.dispatch import fetched
from labelassign.solvers.ties import settle

INF = float("inf")
SWAPS = ties._swaps
every_solver = pytest.mark.parametrize("solver", SOLVERS)


def solve(cost, offsets=None, groups=1, repeats=1, solver="scipy"):
    cost = torch.as_tensor(cost, dtype=torch.float32)
    offsets = torch.tensor([0, cost.shape[0]] if offsets is None else offsets)
    return linear_assignment(cost, offsets, groups, repeats, solver).tolist()


def all_matchings(cost):
    """Every way to give rows different columns, or none, as tuples of a column (or None) per row."""
    rows, columns = len(cost), len(cost[0])
    choices = [*range(columns), *[None] * rows]
    return {
        m for m in itertools.permutations(choices, rows) if all(c is None or cost[r][c] < INF for r, c in enumerate(m))
    }


def price(cost, matching):
    """Pairs missed first, then the sum."""
    paid = [cost[r][c] for r, c in enumerate(matching) if c is not None]
    return -len(paid), sum(paid)


@every_solver
@pytest.mark.parametrize("seed", range(12))
def test_no_matching_has_more_pairs_or_a_lower_sum(seed, solver):
    random = np.random.default_rng(seed)
    rows, columns = random.integers(1, 4), random.integers(1, 5)
    cost = random.normal(size=(rows, columns)).astype(np.float32) * 10.0 ** random.integers(-3, 4)
    cost[random.random(cost.shape) < (0.0, 0.3, 0.7)[seed % 3]] = INF
    cost[random.random(cost.shape) < 0.1] = np.nan
    known = np.where(np.isnan(cost), INF, cost).tolist()
    index = solve(cost, solver=solver)[0]
    found = [index.index(r) if r in index else None for r in range(rows)]
    best = min(price(known, m) for m in all_matchings(known))
    pairs, paid = price(known, found)
    assert pairs == best[0]
    assert paid == pytest.approx(best[1], rel=1e-6)


@every_solver
def test_images_and_groups_are_matched_by_themselves(solver):
    random = torch.Generator().manual_seed(0)
    cost, offsets = torch.rand(9, 12, generator=random), [0, 4, 4, 7]  # two rows of padding
    cost[2] = INF  # an ignored row
    cost[5, 3:8] = INF
    cost[:, 11] = INF
    whole = solve(cost, offsets, groups=3, solver=solver)
    for image, (first, last) in enumerate(itertools.pairwise(offsets)):
        for group in range(3):
            part = slice(4 * group, 4 * group + 4)
            alone = solve(cost[first:last, part], solver=solver)[0] if last > first else [-1] * 4
            assert whole[image][part] == [r if r < 0 else r + first for r in alone]


@every_solver
@pytest.mark.parametrize(("rows", "repeats", "each"), [(1, 3, 3), (2, 3, 3), (3, 3, 2), (5, 3, 1), (6, 3, 1)])
def test_repeats_are_shared_fairly(rows, repeats, each, solver):
    """Six queries, and a row that would take all of them if it might."""
    cost = torch.rand(rows, 6, generator=torch.Generator().manual_seed(rows))
    cost[0] -= 10
    index = torch.tensor(solve(cost, repeats=repeats, solver=solver)[0])
    assert torch.bincount(index[index >= 0], minlength=rows).tolist() == [each] * rows
    dead = torch.cat([cost, torch.full((1, 6), INF)])
    dead = torch.cat([dead, torch.full((rows + 1, 2), INF)], 1)
    assert solve(dead, repeats=repeats, solver=solver) == [[*index.tolist(), -1, -1]]


@every_solver
def test_more_rows_than_queries(solver):
    assert solve([[3.0], [1.0], [2.0]], solver=solver) == [[1]]
    assert solve([[3.0], [1.0], [2.0]], repeats=4, solver=solver) == [[1]]
    assert solve([[INF], [INF]], solver=solver) == [[-1]]
    assert solve([[0.0, 0.0], [3.0, 1.0], [5.0, 5.0]], repeats=4, solver=solver) == [[0, 1]]


@every_solver
def test_more_pairs_are_worth_any_cost(solver):
    assert solve([[0.0, 50.0], [10.0, INF]], solver=solver) == [[1, 0]]


@every_solver
@pytest.mark.parametrize(("shape", "offsets"), [((0, 3), [0, 0]), ((2, 0), [0, 2]), ((3, 4), [0, 0, 0])])
def test_nothing_to_match(shape, offsets, solver):
    assert solve(torch.rand(shape), offsets, solver=solver) == [[-1] * shape[1]] * (len(offsets) - 1)


@every_solver
def test_a_forbidden_pair_leaves_the_others_their_digits(solver):
    """With float32's maximum in place of +inf, as elsewhere, rows 0 and 2 look alike beside it: 7.5 in place of 5.7."""
    cost = [[7.5, INF, INF], [1.1, 5.9, 2.2], [5.7, INF, INF]]
    assert solve(cost, solver=solver) == [[2, -1, 1]]


def test_ties_go_to_the_lower_query_then_the_lower_row():
    assert solve([[0.0] * 5] * 3) == [[0, 1, 2, -1, -1]]
    assert solve([[9.0, 1.0, 1.0, 1.0], [9.0, 9.0, 0.5, 9.0]]) == [[-1, 0, 1, -1]]
    assert solve([[2.0, 1.0], [2.0, 1.0]]) == [[0, 1]]
    assert solve([[7.0, 1.0, 2.0, 7.0], [7.0, 1.0, 2.0, 7.0]], repeats=1) == [[-1, 0, 1, -1]]
    # twins share the three cheap queries and the lower fourth
    assert solve([[5.0, 5.0, 1.0, 1.0, 1.0]] * 2, repeats=2) == [[0, -1, 0, 1, 1]]


@pytest.mark.parametrize("seed", range(8))
def test_no_step_of_the_tie_rule_is_left(seed):
    random = np.random.default_rng(seed)
    cost = random.integers(0, 3, (6, 9)).astype(np.float64)
    index = torch.tensor(solve(cost)[0])
    query = torch.stack([(index == r).nonzero()[0, 0] for r in range(6)]).numpy()
    own = cost[np.arange(6), query]
    for r, q in itertools.product(range(6), range(9)):
        assert not (index[q] < 0 and q < query[r] and cost[r, q] == own[r])
    for r, s in itertools.combinations(range(6), 2):
        exchanged = cost[r, query[s]] + cost[s, query[r]]
        assert not (query[r] > query[s] and exchanged == own[r] + own[s])


def test_settling_starts_from_any_matching():
    row, query = settle(np.zeros((2, 4)), np.arange(2), np.array([3, 2]))
    assert row[query.argsort()].tolist() == [0, 1]
    assert sorted(query.tolist()) == [0, 1]


def test_many_ties_settle_soon():
    """Equal queries, equal rows, both: steps in proportion to the rows, not to their square."""
    random = torch.Generator().manual_seed(0)
    column, line = torch.rand(150, 1, generator=random), torch.rand(1, 200, generator=random)
    cheapest = line[0].argsort()[:150].sort().values.tolist()
    calls = []
    for cost, taken in ((column, range(150)), (line, cheapest), (torch.zeros(1, 1), range(150))):
        index = torch.tensor(solve(cost.expand(150, 200))[0])
        assert index[index >= 0].tolist() == list(range(150))
        assert (index >= 0).nonzero().squeeze(1).tolist() == list(taken)
        shuffled = torch.randperm(200, generator=random)[:150].numpy()
        with patch.object(ties, "_swaps", lambda *args: calls.append(0) or SWAPS(*args)):
            settle(np.zeros((150, 200)), np.arange(150), shuffled)
    assert len(calls) <= 3 * 151


def test_costs_and_bounds_travel_together():
    cost = torch.tensor([[0.5, -INF, INF], [torch.nan, 1e-45, -0.0]])
    for offsets in (torch.tensor([0, 1, 2]), torch.tensor([0, 2])):
        here, bounds = fetched(cost, offsets)
        assert torch.equal(here.view(torch.int32), cost.view(torch.int32))
        assert bounds.tolist() == offsets.tolist()


@every_solver
def test_a_missing_solver_is_named_with_the_line_that_installs_it(solver, monkeypatch):
    module, line = SOLVERS[solver]
    real = builtins.__import__

    def missing(name):
        if name == module:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name)

    monkeypatch.setattr("importlib.import_module", missing)
    message = rf"Hungarian: expected the module {module} for solver='{solver}', got No module.* Run: {line}"
    with pytest.raises(ImportError, match=message.replace("[", r"\[").replace("]", r"\]")):
        solve([[0.0]], solver=solver)
