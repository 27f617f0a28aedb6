"""Detection models of ultralytics in a loop of one's own."""

import copy
import io

import pytest
import torch

import labelassign as la
from labelassign.adapters import Handle, Pair
from labelassign.adapters.ultralytics import attach
from tests.adapters.yolo import batch, detector, falls, losses, train

VERSIONS = ("v8", "11", "26", "v10")
STOCK, STOCK_ONE = la.TaskAligned.ultralytics(), la.TaskAligned.yolo26_one2one()
OTHERS = (la.ATSS(), la.PAA(), la.SimOTA(), la.TaskAligned(), la.MaxIoU())


def class_name(each):
    return type(each).__name__


@pytest.mark.parametrize("version", VERSIONS)
def test_the_stock_rule_gives_the_stock_losses(version):
    stock, ours = (detector(version) for _ in range(2))
    with attach(ours, STOCK) as handle:
        torch.testing.assert_close(train(ours, 3, 1e-4), train(stock, 3, 1e-4), rtol=1e-5, atol=1e-5)
    assert handle.step == 3
    assert handle.stats["positives"] > 0


@pytest.mark.parametrize("version", VERSIONS)
def test_on_the_same_weights_it_gives_the_stock_losses_at_any_rate(version):
    model = detector(version)
    for _ in range(3):
        want = losses(copy.deepcopy(model)).detach()
        with attach(model, STOCK):
            got = train(model, 1, rate=1e-2)[0]
        torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-5)


@pytest.mark.parametrize("assigner", OTHERS, ids=class_name)
def test_every_other_assigner_trains(assigner):
    model = detector("v8")
    with attach(model, assigner) as handle:
        assert falls(train(model, 20))
    assert handle.stats["objects"] == 8
    assert handle.stats["positives"] >= 8


@pytest.mark.parametrize("one2one", [la.LAD(STOCK_ONE), la.Hungarian(cls_cost="focal")], ids=class_name)
def test_every_branch_has_its_assigner(one2one):
    model, teacher = detector("26"), detector("26", seed=7)
    with attach(model, la.LAD(STOCK), one2one=one2one, teacher=teacher) as handle:
        assert falls(train(model, 20))
    assert handle.stats["positives"] > handle.stats["one2one_positives"] > 0
    assert handle.one2one.last.per_gt_count.max() == 1
    assert handle.one2one.step == handle.step == 20
    assert handle.assigners == (la.LAD(STOCK), one2one)
    assert attach(model, STOCK).assigners == (STOCK, STOCK_ONE)


@pytest.mark.parametrize(("learning", "teaching"), [("v8", "v8"), ("v8", "26"), ("26", "v8")])
def test_a_teacher_decides_and_only_looks(learning, teaching):
    model, teacher = detector(learning), detector(teaching, seed=7)
    train(teacher, 3)
    teacher.zero_grad()
    del teacher.criterion
    before, names = copy.deepcopy(teacher.state_dict()), set(vars(teacher))
    with attach(model, la.LAD(STOCK), teacher=teacher) as handle:
        found = train(model, 20)
        index = handle.last.gt_index
    assert falls(found)
    assert all(before[name].equal(value) for name, value in teacher.state_dict().items())
    assert all(each.grad is None for each in teacher.parameters())
    assert all(part.training for part in teacher.modules())
    assert set(vars(teacher)) == names
    # what it decides is what its own rule decides for it in eval mode
    with attach(teacher.eval(), STOCK) as alone, torch.no_grad():
        losses(teacher)
    assert alone.last.gt_index.equal(index)


def test_both_networks_of_colad_train():
    model, other = detector("v8"), detector("v8", seed=7)
    both = Pair(model, other)
    with attach(model, la.CoLAD(STOCK), teacher=other) as handle:
        _, items = both(batch())
        found = train(model, 20, parameters=both.parameters())
    names = [name for name in items if not name.startswith("teacher_")]
    assert list(items) == names + [f"teacher_{name}" for name in names]
    assert falls(found)
    assert all(each.grad is not None for net in (model, other) for each in net.model[-1].cv3.parameters())
    assert {"student_rho", "teacher_rho", "teacher_share"} < set(handle.stats)


def test_colad_of_equal_networks_is_twice_its_assigner():
    model = detector("26")
    twin, alone = copy.deepcopy(model), copy.deepcopy(model)
    with attach(alone, STOCK):
        want = losses(alone).detach()
    with attach(model, la.CoLAD(STOCK), teacher=twin):
        torch.testing.assert_close(losses(model).detach(), 2 * want)


@pytest.mark.parametrize("version", ["v8", "26"])
def test_detach_puts_everything_back(version):
    model = detector(version)
    stock = losses(model).detach()
    names, inside = set(vars(model)), [part.assigner for part in _parts(model)]
    handle = attach(model, la.ATSS())
    assert not losses(model).detach().equal(stock)
    handle.detach()
    handle.detach()
    assert set(vars(model)) == names
    assert [part.assigner for part in _parts(model)] == inside
    assert losses(model).detach().equal(stock)
    with pytest.raises(RuntimeError, match="Sizes of tensors"), attach(model, la.ATSS()):
        model.loss(batch() | {"bboxes": torch.zeros(1, 3)})
    assert losses(model).detach().equal(stock)


def _parts(model):
    found = model.criterion
    return [found.one2many, found.one2one] if hasattr(found, "one2many") else [found]


@pytest.mark.parametrize("version", ["v8", "26"])
def test_copies_keep_the_assigner_and_the_state_dict_knows_nothing(version):
    model, teacher = detector(version), detector(version, seed=7)
    keys = list(model.state_dict())
    handle = attach(model, la.LAD(STOCK, targets="student"), teacher=teacher)
    want = losses(model).detach()
    assert list(model.state_dict()) == keys
    twin = copy.deepcopy(model)
    assert Handle.of(twin).model is twin
    assert Handle.of(twin).mentor is handle.mentor
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for again in (twin, torch.load(file, weights_only=False)):
        assert vars(again)["loss"]._kept is vars(again)["loss"]._decoders is None
        assert losses(again).detach().equal(want)
        with torch.no_grad():  # a copy uses its own head
            for each in again.model[-1].cv3.parameters():
                each.mul_(1.5)
        assert not losses(again).detach().equal(want)
        Handle.of(again).detach()
        assert Handle.of(again) is None
    assert losses(model).detach().equal(want)
