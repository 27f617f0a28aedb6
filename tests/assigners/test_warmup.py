"""Whose turn it is, and what a tensor of the step changes: nothing but what runs."""

import pytest
import torch

import labelassign as la
from tests.scenes import grid, ground_truth, predictions

PRIORS, GT = grid(), ground_truth()
MINE, OTHER = predictions(PRIORS, seed=1), predictions(PRIORS, seed=2)
FIELDS = ("gt_index", "quality", "cls_target", "cls_weight", "loc_weight", "reason")
PAIRS = {
    "tood": (la.ATSS(), la.LAD(la.TaskAligned())),
    "same names": (la.PAA(), la.CoLAD(la.PAA(), granularity="gt_level")),
    "only the first tells": (la.CoLAD(la.PAA()), la.ATSS()),
    "nested": (la.MaxIoU(), la.Warmup(la.ATSS(), la.SimOTA(), 20)),
}


def same(a, b):
    return all(torch.equal(getattr(a, name), getattr(b, name)) for name in FIELDS)


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("step", [0, 9, 10, 19, 20, 10**9])
def test_before_steps_the_first_decides_then_the_other(name, step):
    first, then = PAIRS[name]
    a = la.Warmup(first, then, 10)(PRIORS, GT, MINE, teacher=OTHER, step=step)
    want = (first if step < 10 else then)(PRIORS, GT, MINE, teacher=OTHER, step=step)
    assert same(a, want)
    assert bool(a.diagnostics["warming"]) == (step < 10)
    assert set(a.diagnostics) == {*want.diagnostics, "warming"}


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("kind", [torch.int64, torch.int32, torch.float32])
def test_a_tensor_decides_alike_and_names_never_change(name, kind):
    assigner = la.Warmup(*PAIRS[name], 10)
    names = set()
    for step in (0, 9, 10, 25):
        a = assigner(PRIORS, GT, MINE, teacher=OTHER, step=torch.tensor(step, dtype=kind))
        want = assigner(PRIORS, GT, MINE, teacher=OTHER, step=step)
        assert same(a, want)
        for key, value in want.diagnostics.items():
            assert torch.equal(a.diagnostics[key], value), key
        silent = set(a.diagnostics) - set(want.diagnostics)
        assert all(not a.diagnostics[key].any() for key in silent)
        names.add(frozenset(a.diagnostics))
    assert len(names) == 1


def test_an_int_runs_only_one_member():
    class Never(la.Assigner):
        ignore_iof = None

        def _assign(self, priors, gt, predictions, teacher, step):
            raise AssertionError("it is not its turn")

    assigner = la.Warmup(la.ATSS(), Never(), 5)
    assigner(PRIORS, GT, step=4)
    for step in (5, torch.tensor(0)):
        with pytest.raises(AssertionError, match="turn"):
            assigner(PRIORS, GT, step=step)


def test_each_member_has_its_own_rule_for_ignored_regions():
    gt = la.GroundTruth.from_list([{"boxes": [[0.0, 0, 160, 128]], "labels": [0], "ignore": [True]}])
    assigner = la.Warmup(la.ATSS.mmdet(), la.ATSS(), 1)
    for wrap in (int, torch.tensor):
        counts = [int(assigner(PRIORS, gt, step=wrap(step)).ignored.sum()) for step in (0, 1)]
        assert counts[0] == 0
        assert counts[1] > 0


def test_diagnostics_of_different_shape_are_those_of_the_second():
    one, two = la.Warmup(la.PAA(), la.SimOTA(), 1), la.Warmup(la.CoLAD(la.PAA()), la.CoLAD(la.SimOTA()), 1)
    for assigner in (one, two):
        a = assigner(PRIORS, GT, MINE, teacher=OTHER, step=torch.tensor(1))
        for name, value in assigner.then(PRIORS, GT, MINE, teacher=OTHER).diagnostics.items():
            assert torch.equal(a.diagnostics[name], value)


def test_what_it_needs_is_what_both_need_and_the_step():
    assert la.Warmup(*PAIRS["tood"], 10).needs == {"teacher", "step"}
    assert la.Warmup(*PAIRS["same names"], 10).needs == {"predictions", "teacher", "step"}
    with pytest.raises(ValueError, match=r"Warmup: expected `step`"):
        la.Warmup(la.ATSS(), la.MaxIoU(), 10)(PRIORS, GT)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(TypeError, match=r"CostAssigner|Type-check"):
        la.LAD(la.Warmup(la.PAA(), la.PAA(), 10))
    with pytest.raises(ValueError, match="`steps` > 0, got 0"):
        la.Warmup(la.ATSS(), la.PAA(), 0)
    with pytest.raises(
        ValueError, match=r"Warmup: expected `step` as an int or a tensor without dimensions, got int64"
    ):
        la.Warmup(la.ATSS(), la.MaxIoU(), 3)(PRIORS, GT, step=torch.tensor([1]))
