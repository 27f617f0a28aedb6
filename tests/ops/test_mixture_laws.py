"""Laws of the mixture and of separation, on rows that Hypothesis finds."""

import hypothesis.strategies as st
import torch
from hypothesis import given

from labelassign.ops.mixture import component_and_score, separate
from labelassign.ops.mixture.reference import fit
from tests.ops.mixture_problems import pack

# Sixteenths: adding them and scaling them by powers of two is exact, so that laws compare the same problem.
lattice = st.integers(0, 80).map(lambda n: n / 16.0)
lattice_row = st.lists(lattice, min_size=1, max_size=12).map(sorted)
lattice_rows = st.lists(lattice_row, min_size=1, max_size=4)
any_float = st.floats(allow_nan=False, allow_infinity=False)
any_row = st.lists(any_float, min_size=0, max_size=8).map(sorted)


def assert_close(left, right, tolerance=1e-6):
    for a, b in zip(left, right, strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def falls(costs, count, steps=12, **options):
    """The largest loss of log-likelihood in one of the first steps, over all rows."""
    reached = torch.stack([fit(costs, count, tol=0.0, max_steps=n, **options)[3] for n in range(1, steps + 1)])
    return float((reached[:-1] - reached[1:]).max())


@given(lattice_rows)
def test_the_likelihood_never_falls_where_reg_is_small_beside_the_spread(rows):
    assert falls(*pack(rows), reg=1e-12) <= 1e-9


def test_the_likelihood_can_fall_where_reg_is_not_small():
    """Adding `reg` to a variance of its own order moves it past the optimum."""
    costs, count = pack([[0.0, 0.0, 0.003]])
    assert falls(costs, count, steps=40, data_variance=True) > 0.01


@given(lattice_rows, st.randoms(use_true_random=False))
def test_the_order_of_samples_does_not_matter(rows, random):
    shuffled = [random.sample(row, len(row)) for row in rows]
    assert_close(fit(*pack(rows)), fit(*pack(shuffled)))


@given(lattice_rows)
def test_rows_do_not_know_of_each_other(rows):
    costs, count = pack(rows)
    together = fit(costs, count)
    for row in range(len(rows)):
        alone = fit(costs[row : row + 1], count[row : row + 1])
        assert all(torch.equal(a[row : row + 1], b) for a, b in zip(together, alone, strict=True))


@given(lattice_rows, st.booleans(), st.sampled_from([1, 2, 5, 100]))
def test_leaving_early_changes_no_bit(rows, flag, steps):
    early, fixed = (
        fit(*pack(rows), max_steps=steps, normalize=flag, data_variance=flag, leave_early=leave)
        for leave in (True, False)
    )
    assert all(torch.equal(a, b) for a, b in zip(early, fixed, strict=True))


@given(lattice_rows, st.integers(-1600, 1600))
def test_translation(rows, offset):
    costs, count = pack(rows)
    weights, means, *rest = fit(costs, count)
    moved = fit(costs + offset / 16.0, count)
    assert_close((weights, means + offset / 16.0, *rest), moved)


@given(lattice_rows, st.integers(-100, 100), st.floats(0.01, 100.0))
def test_affine_maps_do_not_matter_under_normalize(rows, offset, scale):
    costs, count = pack(rows)
    options = {"normalize": True, "tol": 1e-6}
    assert_close(fit(costs, count, **options), fit(scale * costs + offset, count, **options))


def test_scale_matters_otherwise():
    """The start has variance 1: a narrow pair of modes is one mode to it, four times the pair is two."""
    row = torch.tensor([[0.0, 0.1, 0.2, 0.8, 0.9, 1.0]], dtype=torch.float64)
    count = torch.tensor([6])
    small, large = (fit(factor * row, count)[2][0, 0] / factor**2 for factor in (1.0, 4.0))
    assert float(small) > 5.0 * float(large)


@given(st.lists(any_row, min_size=1, max_size=4), st.booleans(), st.booleans(), st.sampled_from([1e-12, 1e-6, 1.0]))
def test_every_finite_input_gives_finite_output(rows, normalize, data_variance, reg):
    costs, count = pack(rows)
    result = fit(costs, count, reg=reg, normalize=normalize, data_variance=data_variance)
    assert all(bool(part.isfinite().all()) for part in result)
    assert bool((result[2] >= reg).all())
    component, score = component_and_score(costs, count, *result[:3], normalize=normalize)
    assert bool(score.isfinite().all())
    inside = torch.arange(costs.shape[1]) < count[:, None]
    assert torch.equal(component >= 0, inside)


@given(lattice_rows)
def test_equal_costs_have_equal_components_and_scores(rows):
    costs, count = pack(rows)
    component, score = component_and_score(costs, count, *fit(costs, count)[:3])
    same = costs[:, 1:] == costs[:, :-1]  # padding is NaN, which equals nothing
    assert torch.equal(component[:, 1:][same], component[:, :-1][same])
    assert torch.equal(score[:, 1:][same], score[:, :-1][same])


@given(lattice_rows, st.sampled_from(["component", "interleaved"]))
def test_how_the_schemes_relate(rows, prefix):
    costs, count = pack(rows)
    row = costs, count, *component_and_score(costs, count, *fit(costs, count)[:3])
    a, b, c, d = (separate(*row, scheme=scheme, prefix=prefix) for scheme in "abcd")
    assert torch.equal(a == 1, d == 1)
    assert torch.equal(b == 1, c == 1)
    assert not bool(((a == -1) | (c == -1)).any())
    assert bool((c == 1).any(1).all()), "a row with samples has a positive"
    if prefix == "component":
        assert torch.equal((b == 1) | (b == -1), a == 1)
        assert bool(((c == 1) <= (a == 1)).all())
