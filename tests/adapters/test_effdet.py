"""effdet's EfficientDet, in training."""

import copy
import io

import pytest
import torch
from effdet import DetBenchPredict, DetBenchTrain, EfficientDet, get_efficientdet_config
from effdet.anchors import AnchorLabeler

import labelassign as la
from labelassign.adapters import Handle, Pair
from labelassign.adapters.effdet import attach, from_effdet, to_effdet
from labelassign.adapters.effdet.encoding import objects, priors_of
from labelassign.adapters.effdet.labeler import Labeler

SIZE = (96, 128)
STOCK = la.MaxIoU(0.5, 0.5, zero_rescues=True, all_ties=False, ignore_iof=None)
OTHERS = (la.ATSS(), la.PAA(), la.TaskAligned(), la.SimOTA(), la.Rescue(la.ATSS()))


def network(seed=0, **more):
    """A bench of 3 classes."""
    torch.manual_seed(seed)
    config = get_efficientdet_config("efficientdet_d0")
    body = {"backbone_name": "mobilenetv3_small_050", "backbone_args": {}, "image_size": SIZE, "num_classes": 3}
    config.update({**body, "fpn_channels": 16, "fpn_cell_repeats": 1, "box_class_repeats": 1, **more})
    return DetBenchTrain(EfficientDet(config, pretrained_backbone=False))


def batch():
    """Flat rectangles on noise; the last image is empty."""
    g = torch.Generator().manual_seed(3)
    boxes = torch.tensor([[10.0, 8, 44, 50], [30, 64, 90, 118], [52, 20, 92, 52]])
    classes = torch.tensor([1, 2, 3])
    pixels = 0.1 * torch.rand(2, 3, *SIZE, generator=g)
    for (y1, x1, y2, x2), label in zip(boxes.long().tolist(), classes.tolist(), strict=True):
        pixels[0, label - 1, y1:y2, x1:x2] += 0.8
    target = {
        "bbox": torch.stack([boxes, torch.full((3, 4), -1.0)]),
        "cls": torch.stack([classes, torch.full((3,), -1)]),
        "img_scale": torch.ones(2),
        "img_size": torch.tensor([SIZE[::-1]] * 2),
    }
    return pixels, target


def losses(model, seed=0):
    torch.manual_seed(seed)
    return model(*batch())


def values(model):
    return {name: float(each.detach()) for name, each in losses(model).items()}


def train(model, steps, rate=1e-2):
    optimizer = torch.optim.SGD(model.parameters(), lr=rate, momentum=0.9)
    found = []
    for step in range(steps):
        loss = losses(model, step)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(float(loss.detach()))
    return found


def test_the_stock_rule_gives_the_stock_losses():
    stock, ours = network(), network()
    with attach(ours, STOCK) as handle:
        assert train(ours, 3) == pytest.approx(train(stock, 3), abs=1e-5)
    assert handle.stats["positives"] > 0
    assert handle.step == 3


def test_the_stock_rule_gives_the_stock_labels():
    model = network()
    boxes, classes = (batch()[1][name] for name in ("bbox", "cls"))
    stock = AnchorLabeler(model.anchors, 3).batch_label_anchors(boxes, classes)
    gt = objects(boxes, classes, True)
    ours = to_effdet(STOCK(priors_of(model.anchors), gt), gt, model.anchors)
    for theirs, mine in zip((*stock[0], *stock[1], stock[2]), (*ours[0], *ours[1], ours[2]), strict=True):
        assert mine.dtype == theirs.dtype
        torch.testing.assert_close(mine, theirs, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("assigner", OTHERS, ids=lambda each: type(each).__name__)
def test_every_other_assigner_trains(assigner):
    model = network()
    with attach(model, assigner) as handle:
        found = train(model, 20)
    assert torch.tensor(found).isfinite().all()
    assert sum(found[-3:]) < sum(found[:3])
    assert handle.stats["objects"] == 3
    assert handle.stats["positives"] >= 3


def test_a_teacher_decides_and_only_looks():
    model, teacher = network(), network(seed=7)
    train(teacher, 5)
    teacher.zero_grad()
    before = copy.deepcopy(teacher.state_dict())
    with attach(model, la.LAD(la.PAA()), teacher=teacher) as handle:
        found = train(model, 20)
    assert sum(found[-3:]) < sum(found[:3])
    assert all(before[name].equal(value) for name, value in teacher.state_dict().items())
    assert all(each.grad is None for each in teacher.parameters())
    assert all(part.training for part in teacher.modules())
    # what it decides is what PAA decides for the teacher in eval mode, on the same pixels
    with attach(teacher, la.PAA()) as alone, torch.no_grad():
        teacher.model.eval()
        losses(teacher)
    assert alone.last.gt_index.equal(handle.last.gt_index)


def test_both_networks_of_colad_train():
    model, other = network(), network(seed=7)
    with attach(model, la.CoLAD(la.PAA()), teacher=other) as handle:
        first, plain = losses(Pair(model, other)), losses(network())
        found = train(Pair(model, other), 20)
    assert set(first) == set(plain) | {f"teacher_{name}" for name in plain}
    parts = [first[name] for name in ("class_loss", "teacher_class_loss")]
    boxes = [50 * first[name] for name in ("box_loss", "teacher_box_loss")]
    torch.testing.assert_close(first["loss"], sum(parts + boxes))
    assert sum(found[-3:]) < sum(found[:3])
    assert all(each.grad is not None for each in (*model.model.class_net.parameters(), *other.model.parameters()))
    assert {"student_rho", "teacher_rho", "teacher_share"} < set(handle.stats)


def test_a_model_says_of_its_anchors_what_its_own_inference_says():
    model = network().eval()
    with torch.no_grad():
        for part in (*model.model.box_net.parameters(), *model.model.class_net.parameters()):
            part.add_(0.2 * torch.randn_like(part))
        said = Labeler.predictions(model, model.model(batch()[0]))
        found = DetBenchPredict(model.model).eval()(batch()[0])
    for boxes, scores, detections in zip(said.boxes, said.scores.sigmoid(), found, strict=True):
        assert len(detections[:5, 4].unique()) == 5
        for *box, score, label in detections[:5].tolist():
            near = ((boxes - torch.tensor(box)).abs() < 1e-3).all(1)
            assert ((scores[near, int(label) - 1] - score).abs() < 1e-5).any()


def test_detach_puts_everything_back():
    model = network()
    names, stock = {name: set(vars(part)) for name, part in model.named_modules()}, values(model)
    labeler = model.anchor_labeler
    handle = attach(model, la.ATSS())
    assert values(model) != stock
    handle.detach()
    handle.detach()
    assert {name: set(vars(part)) for name, part in model.named_modules()} == names
    assert model.anchor_labeler is labeler
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert values(model) == stock


def test_copies_keep_the_assigner_and_the_state_dict_knows_nothing():
    model, teacher = network(), network(seed=7)
    keys = list(model.state_dict())
    handle = attach(model, la.LAD(la.PAA()), teacher=teacher)
    want = values(model)
    assert list(model.state_dict()) == keys
    twin = copy.deepcopy(model)
    assert Handle.of(twin).model is twin
    assert Handle.of(twin).teacher is handle.teacher
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for again in (twin, torch.load(file, weights_only=False)):
        assert values(again) == want
        Handle.of(again).detach()
        assert Handle.of(again) is None
        assert values(again) != want
    assert values(model) == want


def test_training_resumes_with_the_same_losses():
    whole, first, second = (network() for _ in range(3))
    for model in (whole, first, second):
        attach(model, la.Warmup(la.ATSS(), la.TaskAligned(), steps=4))
    want = train(whole, 6, rate=0.0)
    got = train(first, 3, rate=0.0)
    second.load_state_dict(first.state_dict())
    Handle.of(second).step = Handle.of(first).step
    assert got + train(second, 3, rate=0.0) == pytest.approx(want, abs=1e-6)


def test_a_bench_without_a_labeler_and_a_network_that_predicts():
    bare = DetBenchTrain(network().model, create_labeler=False)
    with attach(bare, la.PAA()) as handle:
        predict = DetBenchPredict(bare.model)
        predict(batch()[0])
        assert bare.anchor_labeler.outputs is None
        assert "detections" in losses(bare.eval())
        assert bare.anchor_labeler.outputs is None
    assert handle.stats["objects"] == 3
    assert bare.anchor_labeler is None


def test_the_encoding_goes_both_ways():
    model = network()
    boxes, classes = (batch()[1][name] for name in ("bbox", "cls"))
    gt = objects(boxes, classes, True)
    a = la.MaxIoU(0.6, 0.4, ignore_iof=None)(priors_of(model.anchors), gt)
    assert a.ignored.any()
    labels = to_effdet(a, gt, model.anchors)
    assert {-2, -1, 0, 1, 2} == set(torch.cat([each.flatten() for each in labels[0]]).tolist())
    assert from_effdet(*labels[:2], gt, model.anchors).gt_index.equal(a.gt_index)


def test_what_does_not_fit_is_said():
    model, lad = network(), la.LAD(la.PAA())
    with pytest.raises(TypeError, match=r"a DetBenchTrain, got EfficientDet"):
        attach(model.model, la.ATSS())
    with pytest.raises(TypeError, match=r"a DetBenchTrain, got Linear"):
        attach(model, lad, teacher=torch.nn.Linear(2, 2))
    with pytest.raises(ValueError, match="a teacher for LAD"):
        attach(model, lad)
    for other in ({"num_classes": 4}, {"anchor_scale": 3.0}, {"image_size": (128, 128)}):
        with pytest.raises(ValueError, match="a teacher with the same classes and anchors"):
            attach(model, lad, teacher=network(**other))
    with attach(model, la.ATSS()), pytest.raises(ValueError, match=r"handle\.detach"):
        attach(model, la.ATSS())
