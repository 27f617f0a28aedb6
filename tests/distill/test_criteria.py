"""The indicators, against arithmetic done by hand or by NumPy."""

import numpy as np
import pytest
import torch

import labelassign as la
from labelassign.distill.units import Units


def candidates(lists, levels=1):
    """Candidates of one level whose whole cost lists are given, object by object."""
    g, k = len(lists), max(len(row) for row in lists)
    cost = torch.full((g, k), torch.inf)
    for i, row in enumerate(lists):
        cost[i, : len(row)] = torch.tensor(sorted(row))
    held = torch.isfinite(cost)
    prior = torch.where(held, torch.arange(k), -1)[:, None]
    mean = torch.tensor([np.mean(row) if row else 0.0 for row in lists], dtype=torch.float64)[:, None]
    variance = [np.var(np.float32(row), ddof=1, dtype=np.float64) if len(row) > 1 else 0.0 for row in lists]
    return la.Candidates(
        prior=prior,
        cost=cost[:, None],
        iou=torch.zeros(g, 1, k),
        best_iou=torch.zeros(g, 1, 0),
        count=held.sum(1, keepdim=True),
        mean=mean,
        variance=torch.tensor(variance)[:, None],
        reason=torch.zeros(g, dtype=torch.int64),
        non_finite=torch.zeros(1, dtype=torch.int64),
    )


EACH = Units(None, 0)


def test_std_over_mean_is_unbiased_and_needs_two():
    rho, known = la.StdMean().rho(candidates([[1.0, 2.0, 6.0], [5.0], []]))
    assert rho[0, 0] == pytest.approx(np.std([1, 2, 6], ddof=1) / 3)
    assert known.flatten().tolist() == [True, False, False]


def test_equal_indicators_go_to_the_teacher_and_equal_single_costs_to_the_student():
    same = candidates([[1.0, 3.0], [2.0], []])
    choice = la.StdMean().choose(same, same, EACH)
    assert choice.teacher.flatten().tolist() == [True, False, False]
    assert choice.decided.flatten().tolist() == [True, False, False]


def test_a_single_candidate_goes_to_the_lower_cost():
    dear, cheap = candidates([[2.0]]), candidates([[1.5]])
    assert la.StdMean().choose(dear, cheap, EACH).teacher.item()
    assert not la.StdMean().choose(cheap, dear, EACH).teacher.item()


def test_std_over_mean_refuses_signed_costs():
    signed = candidates([[1.0, 2.0], [-0.5, 2.0]])
    with pytest.raises(ValueError, match=r"StdMean: expected costs >= 0, got cost -0.5 of ground truth 1\. .*Fisher"):
        la.StdMean().rho(signed)


def test_fisher_finds_two_well_separated_groups():
    low, high = [0.9, 1.0, 1.1, 1.0, 0.95, 1.05], [8.9, 9.0, 9.1, 9.05, 8.95]
    rho, known = la.FisherScore().rho(candidates([low + high, [1.0, 1.1, 1.2], [0.0, 9.0, 9.0, 9.1, 9.2]]))
    span = max(high) - min(low)
    a, b = (np.array(low) - 0.9) / span, (np.array(high) - 0.9) / span
    exact = (a.mean() - b.mean()) ** 2 / (a.var() + b.var() + 2e-6)
    assert rho[0, 0].item() == pytest.approx(exact, rel=1e-3)
    # three costs are too few; one lone cost is no component
    assert known.flatten().tolist() == [True, False, False]


def test_fisher_by_its_own_fit_ignores_offset_and_scale():
    costs = np.random.default_rng(0).gamma(2.0, 1.0, 30).astype(np.float32)
    plain, _ = la.FisherScore().rho(candidates([costs.tolist()]))
    moved, _ = la.FisherScore().rho(candidates([(costs * 16 + 64).tolist()]))
    assert moved.item() == pytest.approx(plain.item(), rel=1e-4)
    literal, _ = la.FisherScore(fit="paa").rho(candidates([costs.tolist()]))
    rescaled, _ = la.FisherScore(fit="paa").rho(candidates([(costs * 16).tolist()]))
    assert rescaled.item() != pytest.approx(literal.item(), rel=1e-2)  # PAA's start is not scale-free


def test_fisher_with_paa_fit_is_the_ratio_of_that_fit():
    costs = [0.2, 0.4, 0.5, 2.0, 2.2, 2.6]
    rho, known = la.FisherScore(fit="paa", aggregate="mean").rho(candidates([costs]))
    fit = la.Mixture().fit(torch.tensor([costs]), torch.tensor([6]))
    assert rho.item() == ((fit.means[0, 0] - fit.means[0, 1]) ** 2 / fit.variances[0].sum()).item()
    assert known.item()


def test_mean_and_median_over_objects():
    value = torch.tensor([[1.0], [100.0], [3.0], [7.0], [5.0]], dtype=torch.float64)
    counted = torch.tensor([[True], [False], [True], [True], [True]])
    units = Units(torch.tensor([0, 0, 0, 0, 2]), 3)
    mean, number = units.mean(value, counted)
    assert mean.tolist() == [pytest.approx(11 / 3), 0.0, 5.0]
    assert number.tolist() == [3, 0, 1]
    assert units.median(value, counted)[0].tolist() == [3.0, 0.0, 5.0]
    even = units.median(value, torch.tensor([[True], [False], [True], [False], [True]]))[0]
    assert even[0] == 2.0


def test_mean_cost_prefers_the_lower_mean():
    cheap, dear = candidates([[1.0, 2.0]]), candidates([[1.0, 2.5]])
    assert la.MeanCost().choose(dear, cheap, EACH).teacher.item()
    assert not la.MeanCost().choose(cheap, dear, EACH).teacher.item()


def test_random_is_fair_and_a_function_of_seed_step_and_unit():
    empty = candidates([[1.0]] * 4000)

    def toss(seed, step):
        return la.Random(seed).choose(empty, empty, Units(None, 4000, step)).teacher.flatten()

    first = toss(3, 10)
    assert torch.equal(first, toss(3, 10))
    assert torch.equal(first, toss(3, torch.tensor(10)))  # a step on the device gives the same coins
    for other in (toss(4, 10), toss(3, 11), first.roll(1)):
        # independent coins agree half of the time: 2000 ± 5 standard deviations
        assert abs((first == other).sum().item() - 2000) < 5 * 31.7
    assert abs(first.sum().item() - 2000) < 5 * 31.7
    steps = torch.stack(
        [la.Random(0).choose(empty, empty, Units(EACH.of_row, 4000, s)).teacher[0, 0] for s in range(400)]
    )
    assert abs(steps.sum().item() - 200) < 5 * 10


def test_options_are_checked():
    with pytest.raises(ValueError, match="`fit` to be one of"):
        la.FisherScore(fit="mine")
    with pytest.raises(ValueError, match="`network` to be one of"):
        la.Fixed("both")
