"""From components and scores to positives, by hand-made rows."""

import pytest
import torch

from labelassign.ops.mixture import separate

# Place:    0    1    2    3    4    5    6    7 (the last two are padding, and must not be read)
COSTS = [0.10, 0.20, 0.30, 0.40, 1.00, 1.10, 0.00, 0.00]
COMPONENT = [0, 1, 0, 0, 1, 1, 0, 1]
SCORE = [0.5, 0.9, 2.0, 1.0, 3.0, 1.5, 9.0, 9.0]  # peak of component 0 at place 2, of component 1 at place 4


def states(costs, component, score, count=None, **options):
    count = torch.tensor([len(costs) if count is None else count])
    row = torch.tensor([costs]), count, torch.tensor([component]), torch.tensor([score], dtype=torch.float64)
    state = separate(*row, **options)
    assert state.dtype == torch.int8
    return state[0].tolist()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [1, 0, 1, 0, 0, 0, 0, 0]),
        ({"scheme": "a"}, [1, 0, 1, 1, 0, 0, 0, 0]),
        ({"scheme": "b"}, [1, 0, 1, -1, 0, 0, 0, 0]),
        ({"scheme": "c"}, [1, 0, 1, 0, 0, 0, 0, 0]),
        ({"scheme": "d"}, [1, -1, 1, 1, -1, 0, 0, 0]),
        ({"scheme": "a", "prefix": "interleaved"}, [1, 0, 1, 1, 0, 0, 0, 0]),
        ({"scheme": "b", "prefix": "interleaved"}, [1, 1, 1, -1, 0, 0, 0, 0]),
        ({"scheme": "c", "prefix": "interleaved"}, [1, 1, 1, 0, 0, 0, 0, 0]),
        ({"scheme": "d", "prefix": "interleaved"}, [1, -1, 1, 1, -1, 0, 0, 0]),
    ],
    ids=str,
)
def test_schemes(options, expected):
    assert states(COSTS, COMPONENT, SCORE, count=6, **options) == expected


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [("a", [1, 1, 1, 0]), ("b", [1, -1, -1, 0]), ("c", [1, 0, 0, 0]), ("d", [1, 1, 1, -1])],
)
def test_equal_scores_peak_at_the_first(scheme, expected):
    assert states([0.5, 0.5, 0.5, 2.0], [0, 0, 0, 1], [1.0, 1.0, 1.0, 0.0], scheme=scheme) == expected


def test_d_ignores_what_costs_the_same_as_the_peak():
    """Equal costs have equal scores; the first is the peak, the others cost no more than it."""
    assert states([0.1, 1.0, 1.0, 1.5], [0, 1, 1, 1], [0.0, 2.0, 2.0, 1.0], scheme="d") == [1, -1, -1, 0]


def test_d_without_component_1_is_a():
    assert states([0.1, 0.2], [0, 0], [1.0, 0.5], scheme="d") == [1, 1]


@pytest.mark.parametrize("scheme", ["a", "b", "c", "d"])
@pytest.mark.parametrize("prefix", ["component", "interleaved"])
@pytest.mark.parametrize("empty_low", ["all", "none"])
@pytest.mark.parametrize("component", [0, 1])
def test_a_row_of_one_is_decided_by_single_alone(scheme, prefix, empty_low, component):
    row, options = ([0.3, 7.0], [component, -1], [1.0, 0.0]), {"scheme": scheme, "prefix": prefix}
    options |= {"empty_low": empty_low, "count": 1}
    assert states(*row, single="positive", **options) == [1, 0]
    assert states(*row, single="drop", **options) == [0, 0]


@pytest.mark.parametrize("scheme", ["a", "b", "c", "d"])
@pytest.mark.parametrize("prefix", ["component", "interleaved"])
@pytest.mark.parametrize("single", ["positive", "drop"])
def test_rows_without_component_0(scheme, prefix, single):
    row, options = ([0.1, 0.2, 0.3], [1, 1, 1], [1.0, 2.0, 1.0]), {"scheme": scheme, "prefix": prefix}
    assert states(*row, single=single, empty_low="all", **options) == [1, 1, 1]
    assert states(*row, single=single, empty_low="none", **options) == [0, 0, 0]


@pytest.mark.parametrize("scheme", ["a", "b", "c", "d"])
def test_empty_rows_and_empty_tensors(scheme):
    assert states([0.1, 0.2], [-1, -1], [0.0, 0.0], count=0, scheme=scheme) == [0, 0]
    for rows, samples in [(0, 0), (2, 0), (0, 3)]:
        costs, count = torch.empty(rows, samples), torch.zeros(rows, dtype=torch.int64)
        state = separate(costs, count, costs.long(), costs.double(), scheme=scheme)
        assert state.shape == (rows, samples)


@pytest.mark.parametrize("scheme", ["a", "b", "c", "d"])
def test_what_is_no_sample_is_never_positive_or_ignored(scheme):
    row = ([0.1, float("nan"), 0.2, 1.0], [0, -1, 0, 1], [2.0, 5.0, 3.0, 1.0])
    assert states(*row, scheme=scheme, prefix="interleaved")[1] == 0
    assert states([0.1, float("nan")], [1, -1], [1.0, 0.0], scheme=scheme) == [1, 0]


def test_rows_do_not_touch_each_other():
    costs = torch.tensor([[0.1, 0.2, 0.3], [0.1, 0.2, 0.3]])
    component = torch.tensor([[0, 0, 1], [1, 0, 0]])
    score = torch.tensor([[1.0, 2.0, 9.0], [9.0, 1.0, 2.0]], dtype=torch.float64)
    state = separate(costs, torch.tensor([3, 3]), component, score)
    assert state.tolist() == [[1, 1, 0], [0, 1, 1]]
