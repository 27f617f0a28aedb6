"""MONAI's RetinaNetDetector, in training."""

import copy
import io

import pytest
import torch
from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
from monai.apps.detection.networks.retinanet_network import RetinaNet
from monai.apps.detection.utils.anchor_utils import AnchorGeneratorWithAnchorShape

import labelassign as la
from labelassign.adapters import Handle, Pair
from labelassign.adapters.monai import attach
from tests.adapters.networks import Backbone, images

RULE = la.MaxIoU(0.5, 0.4, "restore_argmax", zero_rescues=True, ignore_iof=None)
OTHERS = (la.ATSS(), la.PAA(), la.TaskAligned(), la.SimOTA())


class Maps(Backbone):
    """As MONAI wants it: a list of maps."""

    def forward(self, x):
        return list(super().forward(x).values())


def detector(seed=0, matcher=True, side=24):
    torch.manual_seed(seed)
    shapes = [(side, side), (side, 2 * side), (2 * side, side)]
    anchors = AnchorGeneratorWithAnchorShape([1, 2, 4], base_anchor_shapes=shapes)
    model = RetinaNetDetector(RetinaNet(2, 3, 3, Maps(), [32, 32]), anchors)
    if matcher:
        model.set_regular_matcher(0.5, 0.4)
    return model


def losses(model, seed=0):
    torch.manual_seed(seed)
    pixels, targets = images()
    return model(pixels, [dict(each) for each in targets])


def train(model, steps, rate=1e-2):
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate / 3)
    found = []
    for step in range(steps):
        total = sum(losses(model, step).values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        found.append(float(total.detach()))
    return found


def values(found):
    return {name: float(each.detach()) for name, each in found.items()}


@pytest.mark.parametrize("sampler", [None, "hard", "balanced"])
def test_the_stock_rule_gives_the_stock_losses(sampler):
    stock, ours = detector(), detector()
    for model in (stock, ours):
        if sampler == "hard":
            model.set_hard_negative_sampler(64, 0.25)
        if sampler == "balanced":
            model.set_balanced_sampler(64, 0.25)
    with attach(ours, RULE) as handle:
        assert train(ours, 3) == pytest.approx(train(stock, 3), abs=1e-5)
    assert handle.stats["positives"] > 0
    assert handle.stats["ignored"] > 0


@pytest.mark.parametrize("assigner", OTHERS, ids=lambda each: type(each).__name__)
def test_every_other_assigner_trains_without_a_matcher_of_theirs(assigner):
    model = detector(matcher=False)
    with attach(model, assigner) as handle:
        found = train(model, 20)
    assert torch.tensor(found).isfinite().all()
    assert sum(found[-3:]) < sum(found[:3])
    assert handle.stats["positives"] >= 3
    assert not hasattr(model, "proposal_matcher")


def test_a_teacher_decides_and_only_looks():
    model, teacher = detector(), detector(seed=7)
    before = copy.deepcopy(teacher.state_dict())
    with attach(model, la.LAD(la.PAA()), teacher=teacher) as handle:
        found = train(model, 20)
    assert sum(found[-3:]) < sum(found[:3])
    assert all(before[name].equal(value) for name, value in teacher.state_dict().items())
    assert all(each.grad is None for each in teacher.parameters())
    teacher.network.eval()
    with attach(teacher, la.PAA()) as alone, torch.no_grad():
        losses(teacher)
    assert alone.last.gt_index.equal(handle.last.gt_index)


def test_both_networks_of_colad_train():
    model, other = detector(), detector(seed=7)
    with attach(model, la.CoLAD(la.PAA()), teacher=other) as handle:
        found = train(Pair(model, other), 20)
        names = set(losses(model))
    assert names == {"classification", "box_regression", "teacher_classification", "teacher_box_regression"}
    assert sum(found[-3:]) < sum(found[:3])
    assert all(each.grad is not None for each in other.network.parameters())
    assert 0 <= handle.stats["teacher_share"] <= 1


def test_detach_and_copies():
    model = detector()
    stock, keys = values(losses(model)), list(model.state_dict())
    handle = attach(model, la.TaskAligned())
    want = values(losses(model))
    assert want != stock
    assert list(model.state_dict()) == keys
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for again in (copy.deepcopy(model), torch.load(file, weights_only=False)):
        assert values(losses(again)) == want
        Handle.of(again).detach()
        assert values(losses(again)) == stock
    handle.detach()
    assert values(losses(model)) == stock
    assert not any(part._forward_hooks for part in model.modules())


def test_what_does_not_fit_is_refused():
    with pytest.raises(TypeError, match="expected a RetinaNetDetector, got RetinaNet"):
        attach(detector().network, la.ATSS())
    with pytest.raises(TypeError, match="teacher: a RetinaNetDetector, got Linear"):
        attach(detector(), la.LAD(la.PAA()), teacher=torch.nn.Linear(1, 1))
    volumes = detector()
    volumes.spatial_dims = 3
    with pytest.raises(ValueError, match=r"`spatial_dims` 2\), got 3"):
        attach(volumes, la.ATSS())
    model = detector()
    attach(model, la.LAD(la.PAA()), teacher=detector(side=20))
    with pytest.raises(ValueError, match="a teacher with the same anchors"):
        losses(model)
