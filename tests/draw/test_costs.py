"""The picture of one object's candidate costs: bars add up, curves are the fitted ones, the line separates."""

import math

import numpy as np
import pytest
import torch
from matplotlib.colors import same_color

import labelassign as la
from labelassign import draw
from labelassign.draw import style
from labelassign.draw.costs import TICK_UP

INF = math.inf
COSTS = torch.tensor([[0.9, 1.0, INF, INF, INF, INF, INF], [0.3, 0.32, 0.35, 0.4, 2.0, 2.2, INF]])
COUNT = torch.tensor([2, 6])
MIXTURE = la.Mixture(data_variance=True, tol=1e-6)
FIT = MIXTURE.fit(COSTS, COUNT)
STATE = torch.tensor([[1, 0, 0, 0, 0, 0, 0], [1, 1, 1, -1, 0, 0, 0]], dtype=torch.int8)


def axes_of(row=1, state=STATE, **options):
    return draw.mixture(COSTS, FIT, state, row=row, **options).axes[0]


def bars(axes):
    return {group.get_label(): sum(bar.get_height() for bar in group) for group in axes.containers}


def line(axes, label):
    return next(drawn for drawn in axes.lines if str(drawn.get_label()).startswith(label))


def test_bars_hold_every_candidate_under_its_state():
    assert bars(axes_of()) == {"positive (3)": 3, "left out of the loss (1)": 1, "background (2)": 2}
    assert bars(axes_of(row=0)) == {"positive (1)": 1, "background (1)": 1}


def test_a_tick_for_every_candidate_at_its_cost():
    ticks = next(drawn for drawn in axes_of().lines if drawn.get_marker() == TICK_UP)
    np.testing.assert_allclose(ticks.get_xdata(), COSTS[1, :6])


@pytest.mark.parametrize(("component", "label", "colour"), [(0, "low", style.LOW), (1, "high", style.HIGH)])
def test_curves_are_the_fitted_gaussians_in_the_scale_of_the_bars(component, label, colour):
    axes = axes_of()
    drawn = line(axes, f"{label} component")
    x, y = (np.asarray(v) for v in drawn.get_data())
    weight, mean, variance = (float(v[1, component]) for v in (FIT.weights, FIT.means, FIT.variances))
    width = axes.containers[0][0].get_width()
    expected = 6 * width * weight * np.exp(-((x - mean) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    np.testing.assert_allclose(y, expected, rtol=1e-6, atol=1e-9)
    assert same_color(drawn.get_color(), colour)
    assert f"mean {mean:.2f}" in drawn.get_label()


def test_the_boundary_lies_between_the_dearest_positive_and_the_next_candidate():
    x = line(axes_of(), "separation").get_xdata()
    np.testing.assert_allclose(x, (0.35 + 0.4) / 2, rtol=1e-6)
    assert axes_of(title="crown").get_title(loc="left") == "crown: 3 of 6 candidates positive (cost ≤ 0.35)"


def test_without_positives_there_is_no_boundary():
    axes = axes_of(state=torch.zeros_like(STATE))
    assert not [drawn for drawn in axes.lines if drawn.get_label() == "separation"]
    assert axes.get_title(loc="left") == "0 of 6 candidates positive"


def test_an_object_without_candidates():
    none = torch.full((1, 3), INF)
    fit = MIXTURE.fit(none, torch.tensor([0]))
    axes = draw.mixture(none, fit, torch.zeros(1, 3)).axes[0]
    assert not axes.containers
    assert not axes.lines
    assert axes.get_title(loc="left") == "0 of 0 candidates positive"


def test_equal_costs_are_drawn():
    same = torch.full((1, 4), 0.5)
    axes = draw.mixture(same, MIXTURE.fit(same, torch.tensor([4])), torch.ones(1, 4)).axes[0]
    assert bars(axes) == {"positive (4)": 4}
    assert axes.containers[0][0].get_width() > 0
    assert all(np.isfinite(drawn.get_ydata()).all() for drawn in axes.lines)


def test_numpy_is_welcome():
    axes = draw.mixture(COSTS.numpy(), FIT, STATE.numpy(), row=1).axes[0]
    assert bars(axes) == bars(axes_of())


@pytest.mark.parametrize(
    ("costs", "state", "row", "message"),
    [
        (COSTS, STATE, 2, r"`row` in 0\.\.1, got 2"),
        (COSTS, STATE[:, :3], 0, "same shape everywhere"),
        (COSTS[:1], STATE[:1], 0, r"`costs` \[2, K\]"),
    ],
)
def test_records_of_different_objects_are_refused(costs, state, row, message):
    with pytest.raises(ValueError, match=message):
        draw.mixture(costs, FIT, state, row=row)
