"""Golden facts: what scikit-learn does to hard rows, asserted as such, and what we do."""

import numpy as np
import pytest
import torch

from labelassign.ops.mixture import component_and_score, separate
from labelassign.ops.mixture.reference import fit
from tests.ops.mixture_problems import pack, rows, scikit_learn

REG = torch.tensor([1e-6, 1e-6], dtype=torch.float64)


def ours(row):
    """Fit of one row, its components, and its state under the default separation."""
    costs, count = pack([np.asarray(row)])
    result = fit(costs, count)
    component, score = component_and_score(costs, count, *result[:3])
    state = separate(costs, count, component, score)
    return [part[0] for part in result], component[0].tolist(), state[0].tolist()


def test_costs_1e4_raise_in_float32_diag_and_fit_here():
    row = (1e4, 1e4 + 1, 3e4)
    with pytest.raises(ValueError, match="ill-defined empirical covariance"):
        scikit_learn(np.array(row, dtype=np.float32), covariance="diag")
    (_, means, variances, *_), component, state = ours(row)
    assert component == [0, 0, 1]
    assert state == [1, 0, 0]
    torch.testing.assert_close(means, torch.tensor([10000.5, 30000.0], dtype=torch.float64), rtol=1e-12, atol=0.0)
    torch.testing.assert_close(variances, torch.tensor([0.250001, 1e-6], dtype=torch.float64), rtol=1e-9, atol=0.0)


def test_tight_costs_at_50_raise_in_float32_diag_and_fit_here():
    problems = rows("offset 50, tight")
    raised = 0
    for row in problems:
        try:
            scikit_learn(row.astype(np.float32), covariance="diag")
        except ValueError:
            raised += 1
    assert raised >= 1
    assert all(bool(part.isfinite().all()) for part in fit(*pack(problems)))


def test_nine_equal_costs_give_one_positive():
    (_, _, variances, _, steps, converged), component, state = ours([1.2] * 9)
    assert component == [0] * 9
    assert state == [1] + [0] * 8
    assert (steps, converged) == (3, True)
    torch.testing.assert_close(variances, REG, rtol=1e-9, atol=0.0)


def test_two_samples_split_in_eight_steps():
    (weights, means, _, _, steps, converged), component, state = ours([0.5, 2.0])
    assert component == [0, 1]
    assert state == [1, 0]
    assert (steps, converged) == (8, True)
    torch.testing.assert_close(weights, torch.tensor([0.5, 0.5]).double())
    torch.testing.assert_close(means, torch.tensor([0.5, 2.0]).double())


def test_five_equal_costs_have_variance_reg_and_not_that_of_float32_rounding():
    peer = scikit_learn(np.full(5, 1234.567, dtype=np.float32), covariance="diag")
    np.testing.assert_allclose(peer.variances, 0.0315, rtol=1e-2)
    (_, _, variances, *_), component, _ = ours([1234.567] * 5)
    assert component == [0] * 5
    torch.testing.assert_close(variances, REG, rtol=1e-9, atol=0.0)


def test_one_sample_raises_there_and_fits_here():
    with pytest.raises(ValueError, match="minimum of 2 is required"):
        scikit_learn(np.array([0.7]))
    (_, means, variances, *_), component, state = ours([0.7])
    torch.testing.assert_close(means, torch.tensor([0.7, 0.7], dtype=torch.float64))
    torch.testing.assert_close(variances, REG)
    assert component == [0]
    assert state == [1]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_float64_overflow_raises_there_and_stays_finite_here():
    with pytest.raises(ValueError, match="infs or NaNs"):
        scikit_learn(np.array([1e200, 2e200]))
    result, _, _ = ours([1e200, 2e200])
    assert all(bool(part.isfinite().all()) for part in result)


def test_scale_matters_without_normalize():
    """Twice the costs, another partition: why no cost may be rescaled by default."""
    changed = 0
    for row in rows("focal-like, 45 samples"):
        changed += ours(row)[2] != ours(2.0 * row)[2]
    assert changed >= 4
