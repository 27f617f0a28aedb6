"""The mixture against scikit-learn in float64, row by row over named families of problems."""

import importlib.metadata

import numpy as np
import pytest
import torch

from labelassign.ops.mixture import component_and_score
from labelassign.ops.mixture.reference import fit
from tests.ops.mixture_problems import FAMILIES, ROWS, pack, rows, scikit_learn

# Every row in which a sample stands between two components whose log densities differ by rounding alone (at most
# UNDECIDED), so that its label is the rounding of somebody's sums. Rows of exact ties (equal costs) are not excused.
UNDECIDED = 1e-10
EXCEPTIONS = {
    ("tiny variance", 26): "two samples 4e-5 apart: both components coincide",
    **{("near-equal", row): "spread far below sqrt(reg): both components coincide" for row in range(ROWS)},
    **{
        ("linear ramp", row): "odd length: the middle sample stands halfway by symmetry"
        for row in (1, 6, 8, 10, 14, 15, 16, 18, 19, 21, 26, 27, 28, 30, 34, 35, 37)
    },
}


def gaps(x, peer):
    """How far apart scikit-learn's two components are at each sample, in log density."""
    z = (x[:, None] - peer.means) ** 2 / peer.variances
    low, high = (np.log(peer.weights) - 0.5 * np.log(peer.variances) - 0.5 * z).T
    return np.abs(low - high)


def assert_labels_agree(family, row, x, peer, component):
    differs = peer.labels != component
    if (family, row) in EXCEPTIONS:
        near = gaps(x, peer) <= UNDECIDED
        assert near.any(), f"{family}, row {row}: no exception any more"
        assert not (differs & ~near).any(), f"{family}, row {row}: a decided sample has another label"
    else:
        assert not differs.any(), f"{family}, row {row}: {peer.labels} but {component}"


def assert_parity(family, problems, options, peer_options, *, normalized=False):
    costs, count = pack(problems)
    result = fit(costs, count, **options, normalize=normalized)
    component, score = component_and_score(costs, count, *result[:3], normalize=normalized)
    weights, means, variances, log_likelihood, steps, converged = (part.numpy() for part in result)
    for row, x in enumerate(problems):
        if normalized:
            x = (x - x.min()) / (x.max() - x.min())
        peer = scikit_learn(x, **peer_options(x))
        name = f"{family}, row {row}"
        assert steps[row] == peer.steps, name
        assert converged[row] == peer.converged, name
        np.testing.assert_allclose(log_likelihood[row], peer.log_likelihood, rtol=1e-12, atol=1e-9, err_msg=name)
        size = np.abs(x).max()
        np.testing.assert_allclose(weights[row], peer.weights, rtol=1e-9, atol=1e-12, err_msg=name)
        np.testing.assert_allclose(means[row], peer.means, rtol=1e-9, atol=1e-12 * size, err_msg=name)
        np.testing.assert_allclose(variances[row], peer.variances, rtol=1e-9, atol=1e-15 * size**2, err_msg=name)
        np.testing.assert_allclose(score[row, : len(x)], peer.scores, rtol=1e-9, atol=1e-8, err_msg=name)
        assert_labels_agree(family, row, x, peer, component[row, : len(x)].numpy())


def test_the_oracle_is_the_version_we_read():
    assert importlib.metadata.version("scikit-learn") == "1.9.1"


@pytest.mark.parametrize("family", FAMILIES)
def test_same_as_scikit_learn(family):
    assert_parity(family, rows(family), {}, lambda _: {})


@pytest.mark.parametrize("family", ["two modes", "one mode", "focal-like, 45 samples", "log-uniform", "outliers"])
@pytest.mark.parametrize(
    "options",
    [
        {"tol": 1e-8},
        {"tol": 1e3},
        {"max_steps": 1},
        {"max_steps": 4, "tol": 0.0},
        {"reg": 1e-2},
        {"reg": 1e-10, "tol": 1e-5},
    ],
    ids=str,
)
def test_same_options_as_scikit_learn(family, options):
    assert_parity(family, rows(family, 8), options, lambda _: options)


@pytest.mark.parametrize("family", ["two modes", "one mode", "focal-like, 45 samples", "outliers", "offset 50, tight"])
def test_normalized_with_variance_from_the_data(family):
    """The setting of Fisher's criterion."""
    ours = {"tol": 1e-6, "data_variance": True}
    assert_parity(family, rows(family, 20), ours, lambda x: {"tol": 1e-6, "variance": x.var() + 1e-6}, normalized=True)


def test_float32_costs_are_fitted_as_their_float64_values():
    costs, count = pack(rows("focal-like, 45 samples", 10), fill=0.0)
    for half, double in zip(fit(costs.float(), count), fit(costs.float().double(), count), strict=True):
        assert torch.equal(half, double)
