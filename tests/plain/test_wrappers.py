"""Warmup by a tensor: one graph for all of training, and no waiting; wrappers refuse what is no assigner."""

import pytest
import torch
from torch._dynamo.utils import counters
from torch._subclasses.fake_tensor import FakeTensorMode

import labelassign as la
from tests.plain.sync_guard import SyncGuard
from tests.plain.test_no_sync import inputs
from tests.scenes import grid, ground_truth, predictions

ASSIGNER = la.Warmup(la.ATSS(), la.LAD(la.TaskAligned()), 10)


def test_one_graph_serves_both_phases():
    torch._dynamo.reset()
    counters.clear()
    priors, gt, p = grid(), ground_truth(), predictions(grid())
    compiled = torch.compile(lambda step: ASSIGNER(priors, gt, teacher=p, step=step), fullgraph=True, backend="eager")
    for step in (0, 9, 10, 500):
        a, want = compiled(torch.tensor(step)), ASSIGNER(priors, gt, teacher=p, step=step)
        assert torch.equal(a.gt_index, want.gt_index)
        assert torch.equal(a.cls_target, want.cls_target)
    assert counters["stats"]["unique_graphs"] == 1


def test_an_int_has_one_graph_for_each_phase():
    torch._dynamo.reset()
    counters.clear()
    priors, gt, p = grid(), ground_truth(), predictions(grid())
    compiled = torch.compile(lambda step: ASSIGNER(priors, gt, teacher=p, step=step), fullgraph=True, backend="eager")
    for step in range(3, 20):
        assert torch.equal(compiled(step).gt_index, ASSIGNER(priors, gt, teacher=p, step=step).gt_index)
    assert counters["stats"]["unique_graphs"] <= 4  # 3 as a constant, then any number on either side


@pytest.mark.parametrize("assigner", [ASSIGNER, la.Rescue(ASSIGNER, 2), la.Warmup(la.PAA(), la.Rescue(la.PAA()), 5)])
def test_a_tensor_of_the_device_is_not_looked_at(assigner):
    with FakeTensorMode():
        priors, gt, p = inputs()
        step = torch.zeros((), dtype=torch.int64, device="cuda")
        with SyncGuard():
            a = assigner(priors, gt, p, teacher=p, step=step)
        assert a.gt_index.device.type == a.diagnostics["warming"].device.type == "cuda"


@pytest.mark.parametrize(
    "wrap", [la.Rescue, lambda a: la.Warmup(a, la.ATSS(), 1), lambda a: la.Warmup(la.ATSS(), a, 1)]
)
def test_what_is_no_assigner_is_refused(wrap):
    with pytest.raises(TypeError, match=r"expected an Assigner .*, got str 'ATSS'\. Pass one"):
        wrap("ATSS")
