"""The op, its two ways through the loop, and rows that no sane caller would send."""

import math

import pytest
import torch

from labelassign.ops import explain
from labelassign.ops.mixture import classify, component_and_score, mixture
from labelassign.ops.mixture.reference import fit
from tests.ops.mixture_problems import FAMILIES, pack, rows

OPTIONS = (1e-3, 100, 1e-6, False, False)
INF, NAN = math.inf, math.nan


def same_bits(left, right):
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


def mixed_batch():
    """Rows of nearly all families in one batch, so that they leave at different steps."""
    return pack([row for family in FAMILIES if family != "thousand samples" for row in rows(family, 4)])


def assert_sound(result, reg=1e-6, max_steps=100):
    weights, means, variances, log_likelihood, steps, converged = result
    assert all(bool(part.isfinite().all()) for part in result)
    assert [part.dtype for part in result[:4]] == [torch.float64] * 4
    assert (steps.dtype, converged.dtype) == (torch.int64, torch.bool)
    assert bool((variances >= reg).all())
    torch.testing.assert_close(weights.sum(1), torch.ones_like(log_likelihood))
    assert bool(((steps >= 0) & (steps <= max_steps)).all())
    assert means.shape == weights.shape == variances.shape == (len(steps), 2)


@pytest.mark.parametrize("options", [{}, {"normalize": True, "data_variance": True, "tol": 1e-6}, {"max_steps": 7}])
def test_leaving_early_and_fixed_steps_give_the_same_bits(options):
    costs, count = mixed_batch()
    early = fit(costs, count, leave_early=True, **options)
    assert len(early[4].unique()) > 3, "rows must leave at different steps"
    assert same_bits(early, fit(costs, count, leave_early=False, **options))


@pytest.mark.parametrize("seed", range(4))
def test_a_long_row_that_is_left_alone_keeps_its_bits(seed):
    """One row of 32768 or more would be summed in pieces, one per thread; the loop must not get there."""
    costs = torch.ones(5, 33_000, dtype=torch.float64)
    costs[2] = torch.randn(33_000, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    count, threads = torch.tensor([33_000, 100, 33_000, 50, 60]), torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        early, fixed = (fit(costs, count, leave_early=leave, max_steps=6, tol=1e-9) for leave in (True, False))
    finally:
        torch.set_num_threads(threads)
    assert early[4].tolist() == [3, 3, 6, 3, 3]
    assert same_bits(early, fixed)


def test_the_op_is_the_reference():
    costs, count = mixed_batch()
    assert same_bits(mixture(costs, count, *OPTIONS), fit(costs, count))
    assert same_bits(
        mixture(costs, count, 1e-6, 50, 1e-4, True, True),
        fit(costs, count, tol=1e-6, max_steps=50, reg=1e-4, normalize=True, data_variance=True),
    )
    fitted = fit(costs, count)[:3]
    assert same_bits(classify(costs, count, *fitted, False), component_and_score(costs, count, *fitted))
    assert explain("mixture", costs, count, *OPTIONS).path in ("native", "reference")


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (3, 0), (1, 1), (1, 4), (6, 9)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_opcheck(shape, dtype):
    generator = torch.Generator().manual_seed(0)
    costs = torch.rand(shape, generator=generator).to(dtype)
    count = torch.arange(shape[0]).clamp(max=shape[1])
    result = torch.library.opcheck(mixture, (costs, count, *OPTIONS))
    result |= torch.library.opcheck(classify, (costs, count, *fit(costs, count)[:3], False))
    assert set(result.values()) == {"SUCCESS"}


def test_outputs_share_no_memory():
    costs, count = torch.rand(1, 4).double(), torch.tensor([4])
    parts = [costs, count, *mixture(costs, count, *OPTIONS)]
    assert len({part.untyped_storage().data_ptr() for part in parts}) == len(parts)


def test_inputs_stay_as_they_are_and_padding_is_not_read():
    costs, count = mixed_batch()
    before = costs.clone()
    result = fit(costs, count)
    torch.testing.assert_close(costs, before, rtol=0.0, atol=0.0, equal_nan=True)
    for padding in (0.0, -1e300, INF):
        other = torch.where(torch.arange(costs.shape[1]) < count[:, None], costs, padding)
        assert same_bits(result, fit(other, count))
        found, again = (component_and_score(c, count, *result[:3]) for c in (costs, other))
        assert same_bits(found, again)


def test_a_row_without_samples():
    for costs, count in [
        (torch.empty(2, 0), torch.tensor([0, 0])),
        (torch.full((2, 3), NAN), torch.tensor([0, -1])),
        (torch.full((2, 3), NAN), torch.tensor([3, 2])),
    ]:
        weights, means, variances, log_likelihood, steps, converged = result = fit(costs, count)
        assert_sound(result)
        assert weights.tolist() == [[0.5, 0.5]] * 2
        assert means.tolist() == [[0.0, 0.0]] * 2
        assert variances.tolist() == [[1.0, 1.0]] * 2
        assert (log_likelihood.tolist(), steps.tolist(), converged.tolist()) == ([0.0] * 2, [0] * 2, [False] * 2)
        component, score = component_and_score(costs, count, *result[:3])
        assert bool((component == -1).all())
        assert bool((score == 0).all())


def test_entries_that_are_not_finite_are_no_samples():
    hostile = torch.tensor([[0.1, 0.2, NAN, 2.0, INF, -INF, 2.1]], dtype=torch.float64)
    clean = torch.tensor([[0.1, 0.2, 0.0, 2.0, 0.0, 0.0, 2.1]], dtype=torch.float64)
    result = fit(hostile, torch.tensor([7]))
    packed = fit(clean[:, [0, 1, 3, 6]], torch.tensor([4]))
    for left, right in zip(result, packed, strict=True):
        torch.testing.assert_close(left, right)
    component, score = component_and_score(hostile, torch.tensor([7]), *result[:3])
    assert component.tolist() == [[0, 0, -1, 1, -1, -1, 1]]
    assert bool(score.isfinite().all())


@pytest.mark.parametrize("options", [{}, {"normalize": True}, {"data_variance": True}, {"reg": 1e-12}])
@pytest.mark.parametrize("scale", [1e-320, 1e-200, 1e-30, 1e30, 1e100, 1e155, 1e308])
def test_any_magnitude_stays_finite(scale, options):
    costs = torch.tensor([[1.0, 1.0, 1.0], [0.1, 0.9, 1.0], [-1.0, 0.0, 1.0], [-1.0, 1e-9, 1.0]]).double() * scale
    count = torch.tensor([3, 3, 3, 2])
    result = fit(costs, count, **options)
    assert_sound(result, options.get("reg", 1e-6))
    component, score = component_and_score(costs, count, *result[:3], normalize=options.get("normalize", False))
    assert bool(score.isfinite().all())
    assert component[:3].min() >= 0
