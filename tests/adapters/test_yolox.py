"""YOLOX of pixeltable-yolox, in training."""

import copy
import io

import pytest
import torch
from torchvision.ops import box_convert
from yolox.models import YoloPafpn, YoloxHead, YoloxModule

import labelassign as la
from labelassign.adapters import Handle, Pair
from labelassign.adapters.yolox import attach, from_yolox, to_yolox
from tests.adapters.networks import images

OTHERS = (la.ATSS(), la.PAA(), la.TaskAligned(), la.DynamicSoftLabel())


def model_of(seed=0, strides=(8, 16, 32), classes=3):
    torch.manual_seed(seed)
    model = YoloxModule(YoloPafpn(0.33, 0.125), YoloxHead(classes, 0.125, strides=list(strides)))
    model.head.initialize_biases(0.01)
    return model.train()


def batch():
    """Labels as YOLOX has them: class, centre, sides; rows of zeros behind."""
    pixels, targets = images()
    labels = torch.zeros(2, 5, 5)
    for row, each in zip(labels, targets, strict=True):
        n = len(each["boxes"])
        row[:n, 0], row[:n, 1:] = each["labels"].float(), box_convert(each["boxes"], "xyxy", "cxcywh")
    return torch.stack(pixels), labels


def losses(model):
    return {name: float(torch.as_tensor(value).detach()) for name, value in model(*batch()).items()}


def train(model, steps, rate=1e-3):
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    found = []
    for _ in range(steps):
        total = model(*batch())["total_loss"]
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        found.append(float(total.detach()))
    return found


@pytest.mark.parametrize("l1", [False, True])
def test_the_stock_rule_gives_the_stock_losses(l1):
    stock, ours = model_of(), model_of()
    stock.head.use_l1 = ours.head.use_l1 = l1
    with attach(ours, la.SimOTA.yolox()) as handle:
        for _ in range(3):
            # the same weights at each step: batch norm over two tiny images makes 1e-7 large
            ours.load_state_dict(stock.state_dict())
            assert losses(ours) == pytest.approx(losses(stock), abs=1e-5)
            train(stock, 1)
    assert handle.stats["positives"] >= 3
    assert handle.step == 3


@pytest.mark.parametrize("assigner", OTHERS, ids=lambda each: type(each).__name__)
def test_every_other_assigner_trains(assigner):
    model = model_of()
    with attach(model, assigner) as handle:
        found = train(model, 20)
    assert torch.tensor(found).isfinite().all()
    assert sum(found[-3:]) < sum(found[:3])
    assert handle.stats["positives"] >= 3


def test_a_teacher_decides_and_only_looks():
    model, teacher = model_of(), model_of(7)
    train(teacher, 5)
    teacher.zero_grad()
    before = copy.deepcopy(teacher.state_dict())
    with attach(model, la.LAD(la.SimOTA()), teacher=teacher) as handle:
        found = train(model, 20)
    assert sum(found[-3:]) < sum(found[:3])
    assert all(before[name].equal(value) for name, value in teacher.state_dict().items())
    assert all(each.grad is None for each in teacher.parameters())
    assert all(part.training for part in teacher.modules())
    # the same opinion, asked for in the way of training
    twin = copy.deepcopy(teacher)
    for part in twin.modules():
        part.training = part is twin or part is twin.head
    with attach(twin, la.SimOTA()) as alone, torch.no_grad():
        losses(twin)
    assert alone.last.gt_index.equal(handle.last.gt_index)


def test_both_networks_of_colad_train():
    model, other = model_of(), model_of(7)
    with attach(model, la.CoLAD(la.SimOTA()), teacher=other) as handle:
        alone = losses(model)
        found = train(Pair(model, other), 20)
    parts = ("iou_loss", "conf_loss", "cls_loss")
    assert alone["total_loss"] > sum(alone[name] for name in parts) + 1
    assert sum(found[-3:]) < sum(found[:3])
    assert all(each.grad is not None for each in other.head.cls_preds.parameters())
    assert 0 <= handle.stats["teacher_share"] <= 1
    assert "get_losses" not in vars(other.head)


def test_detach_and_copies():
    model = model_of()
    stock, keys = losses(model), list(model.state_dict())
    handle = attach(model, la.ATSS())
    want = losses(model)
    assert want != stock
    assert list(model.state_dict()) == keys
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for again in (copy.deepcopy(model), torch.load(file, weights_only=False)):
        assert losses(again) == pytest.approx(want, rel=1e-6)
        Handle.of(again).detach()
        assert losses(again) == pytest.approx(stock, rel=1e-6)
    handle.detach()
    assert losses(model) == pytest.approx(stock, rel=1e-6)
    assert not {"get_losses", "get_assignments"} & set(vars(model.head))


def test_the_encoding_goes_both_ways():
    gt = la.GroundTruth.from_list([{"boxes": [[0, 0, 9, 9]], "labels": [1]}, {"boxes": [[0, 0, 9, 9]], "labels": [0]}])
    priors = la.Priors.from_boxes([[0, 0, 9, 9], [0, 0, 9, 6], [20, 20, 29, 29]])
    a = la.MaxIoU(0.6, 0.4, low_quality="off")(priors, gt)
    found = to_yolox(a, gt, a.overlap(priors.boxes.expand(2, 3, 4), gt))
    assert [each[0].tolist() for each in found] == [[1, 1], [0, 0]]
    assert found[0][1].tolist() == [True, True, False]
    assert found[0][2].tolist() == pytest.approx([1, 2 / 3])
    assert [each[3].tolist() for each in found] == [[0, 0]] * 2
    assert [each[4] for each in found] == [2, 2]
    assert from_yolox(found, gt).gt_index.equal(a.gt_index)


def test_what_does_not_fit_is_refused():
    with pytest.raises(TypeError, match=r"expected a YoloxModule \(YOLOX\), got Linear"):
        attach(torch.nn.Linear(1, 1), la.ATSS())
    with pytest.raises(TypeError, match="a teacher: a YoloxModule"):
        attach(model_of(), la.LAD(la.PAA()), teacher=torch.nn.Linear(1, 1))
    with pytest.raises(ValueError, match="got LAD and teacher=None"):
        attach(model_of(), la.LAD(la.PAA()))
    with pytest.raises(ValueError, match="number of classes everywhere, got model: 3, teacher: 4"):
        attach(model_of(), la.LAD(la.PAA()), teacher=model_of(classes=4))
