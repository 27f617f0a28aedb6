"""torchvision's own detectors, in training."""

import copy
import io
import pickle

import pytest
import torch

import labelassign as la
from labelassign.adapters import Handle, Pair, packages
from labelassign.adapters.torchvision import attach, dense, from_torchvision, to_torchvision
from tests.adapters.networks import images, losses, torchvision_model, train

RULES = {"RetinaNet": la.MaxIoU.retinanet(), "FCOS": la.FCOS.torchvision(), "SSD": la.MaxIoU.ssd()}
STAGES = {"rpn": la.MaxIoU.rpn(), "roi_heads": la.MaxIoU.rcnn()}
OTHERS = (la.ATSS(), la.PAA(), la.TaskAligned(), la.SimOTA(), la.Rescue(la.ATSS()), la.OTA())


def values(found):
    return {name: float(each.detach()) for name, each in found.items()}


@pytest.mark.parametrize("kind", RULES)
def test_the_stock_rule_gives_the_stock_losses(kind):
    stock, ours = (torchvision_model(kind) for _ in range(2))
    with attach(ours, RULES[kind]) as handle:
        assert train(ours, 3) == pytest.approx(train(stock, 3), abs=1e-5)
    assert handle.stats["positives"] > 0
    assert handle.step == 3


@pytest.mark.parametrize("stage", STAGES)
def test_the_stock_rule_of_a_stage_gives_the_stock_losses(stage):
    stock, ours = (torchvision_model("Faster R-CNN") for _ in range(2))
    with attach(getattr(ours, stage), STAGES[stage]) as handle:
        assert train(ours, 3) == pytest.approx(train(stock, 3), abs=1e-5)
    assert handle.stats["positives"] > 0


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("assigner", OTHERS, ids=lambda each: type(each).__name__)
def test_every_other_assigner_trains(kind, assigner):
    model = torchvision_model(kind)
    with attach(model, assigner) as handle:
        found = train(model, 20)
    assert torch.tensor(found).isfinite().all()
    assert sum(found[-3:]) < sum(found[:3])
    assert handle.stats["objects"] == 3
    assert handle.stats["positives"] >= 3


@pytest.mark.parametrize("assigner", [la.ATSS(), la.PAA()], ids=lambda each: type(each).__name__)
def test_other_assigners_train_a_stage(assigner):
    model = torchvision_model("Faster R-CNN")
    with attach(model.rpn, assigner), attach(model.roi_heads, la.MaxIoU()):
        found = train(model, 20)
    assert torch.tensor(found).isfinite().all()
    assert sum(found[-3:]) < sum(found[:3])


@pytest.mark.parametrize("kind", RULES)
def test_a_teacher_decides_and_only_looks(kind):
    model, teacher = torchvision_model(kind), torchvision_model(kind, seed=7)
    train(teacher, 5)
    teacher.zero_grad()
    before = copy.deepcopy(teacher.state_dict())
    with attach(model, la.LAD(la.PAA()), teacher=teacher) as handle:
        found = train(model, 20)
        index = handle.last.gt_index
    assert sum(found[-3:]) < sum(found[:3])
    assert all(before[name].equal(value) for name, value in teacher.state_dict().items())
    assert all(each.grad is None for each in teacher.parameters())
    assert all(part.training for part in teacher.modules())
    # what it decides is what PAA decides for the teacher in eval mode, on the same pixels
    with attach(teacher, la.PAA()) as alone, torch.no_grad():
        for part in teacher.backbone.modules():
            part.training = False
        losses(teacher)
    assert alone.last.gt_index.equal(index)


@pytest.mark.parametrize("kind", RULES)
def test_both_networks_of_colad_train(kind):
    model, other = torchvision_model(kind), torchvision_model(kind, seed=7)
    both = Pair(model, other)
    with attach(model, la.CoLAD(la.PAA()), teacher=other) as handle:
        first = losses(both)
        found = train(both, 20)
    assert {name for name in first if name.startswith("teacher_")} == {f"teacher_{name}" for name in losses(model)}
    assert sum(found[-3:]) < sum(found[:3])
    assert all(each.grad is not None for each in (*model.head.parameters(), *other.head.parameters()))
    assert {"student_rho", "teacher_rho", "teacher_share"} < set(handle.stats)


def test_lad_of_a_stage():
    model, teacher = torchvision_model("Faster R-CNN"), torchvision_model("Faster R-CNN", seed=7)
    with attach(model.rpn, la.LAD(la.PAA()), teacher=teacher) as handle:
        found = train(model, 20)
    assert sum(found[-3:]) < sum(found[:3])
    assert handle.stats["positives"] >= 3
    with pytest.raises(TypeError, match="CoLAD trains whole detectors"):
        attach(model.rpn, la.CoLAD(la.PAA()), teacher=teacher)


@pytest.mark.parametrize("kind", dense.KINDS)
def test_a_model_says_of_its_anchors_what_its_own_inference_says(kind):
    model = torchvision_model(kind.takes.__name__)
    with attach(model, la.ATSS()):
        entry = vars(model)["compute_loss"]
        assert type(entry) is kind
        pixels, _ = images()
        grid, _ = model.transform(pixels)
        maps = list(model.backbone(grid.tensors).values())
        outputs, anchors = model.head(maps), model.anchor_generator(grid, maps)
        said = entry.predictions(model, outputs, anchors[0])
    logits = outputs["cls_logits"]
    first = kind.first_label  # torchvision's number of our class 0
    ours = said.scores.softmax(-1) if first else said.scores.sigmoid()
    stock = logits.softmax(-1) if first else logits.sigmoid()
    for label in range(first, 3):
        torch.testing.assert_close(ours[..., label - first], stock[..., label])
    coder, deltas = model.box_coder, outputs["bbox_regression"]
    decode = coder.decode if kind.takes.__name__ == "FCOS" else coder.decode_single
    torch.testing.assert_close(said.boxes[1], decode(deltas[1], anchors[1]))


@pytest.mark.parametrize("kind", RULES)
def test_detach_puts_everything_back(kind):
    model = torchvision_model(kind)
    names, stock = {name: set(vars(part)) for name, part in model.named_modules()}, values(losses(model))
    handle = attach(model, la.ATSS())
    assert values(losses(model)) != stock
    handle.detach()
    handle.detach()
    assert {name: set(vars(part)) for name, part in model.named_modules()} == names
    assert not any(part._forward_hooks for part in model.modules())
    assert values(losses(model)) == stock


@pytest.mark.parametrize("kind", RULES)
def test_copies_keep_the_assigner_and_the_state_dict_knows_nothing(kind):
    model, teacher = torchvision_model(kind), torchvision_model(kind, seed=7)
    keys = list(model.state_dict())
    handle = attach(model, la.LAD(la.PAA()), teacher=teacher)
    want = values(losses(model))
    assert list(model.state_dict()) == keys
    twin = copy.deepcopy(model)
    assert Handle.of(twin) is not handle
    assert Handle.of(twin).model is twin
    assert Handle.of(twin).teacher is handle.teacher
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for again in (twin, torch.load(file, weights_only=False)):
        assert values(losses(again)) == want
        with torch.no_grad():  # a copy uses its own head
            for each in again.head.parameters():
                each.mul_(1.5)
        assert values(losses(again)) != want
        Handle.of(again).detach()
        assert Handle.of(again) is None
    assert values(losses(model)) == want
    handle.detach()


def test_training_resumes_with_the_same_losses():
    whole, first, second = (torchvision_model("RetinaNet") for _ in range(3))
    for model in (whole, first, second):
        attach(model, la.Warmup(la.ATSS(), la.TaskAligned(), steps=4))
    want = train(whole, 6, rate=0.0)
    got = train(first, 3, rate=0.0)
    second.load_state_dict(first.state_dict())
    Handle.of(second).step = Handle.of(first).step
    assert got + train(second, 3, rate=0.0) == pytest.approx(want, abs=1e-6)


def test_a_wrapped_model_is_the_model_inside():
    model = torchvision_model("RetinaNet")
    wrapped = torch.nn.DataParallel(model)
    handle = attach(wrapped, la.ATSS())
    assert handle.model is model
    assert Handle.of(wrapped) is handle


def test_crowds_are_ignored_regions():
    model = torchvision_model("RetinaNet")
    pixels = [torch.rand(3, 96, 128)]
    boxes = torch.tensor([[8.0, 10, 50, 44], [60, 20, 124, 92]])
    target = {"boxes": boxes, "labels": torch.tensor([1, 2]), "iscrowd": torch.tensor([0, 1])}
    with attach(model, la.ATSS()) as handle:
        model(pixels, [target])
    assert handle.last.per_gt_count.tolist()[1] == 0
    assert handle.stats["ignored"] > 0
    assert handle.stats["objects"] == 1


def test_the_encoding_goes_both_ways():
    gt = la.GroundTruth.from_list([{"boxes": [[0, 0, 9, 9]], "labels": [1]}, {"boxes": [[0, 0, 9, 9]], "labels": [0]}])
    priors = la.Priors.from_boxes([[0, 0, 9, 9], [0, 0, 9, 6], [0, 0, 9, 4.2], [20, 20, 29, 29]])
    a = la.MaxIoU(0.7, 0.5, low_quality="off")(priors, gt)
    rows = to_torchvision(a)
    assert [row.tolist() for row in rows] == [[0, -2, -1, -1]] * 2
    assert from_torchvision(rows, gt).gt_index.equal(a.gt_index)
    assert [row.tolist() for row in to_torchvision(a, ignore=False)] == [[0, -1, -1, -1]] * 2


@pytest.mark.parametrize(
    ("model", "assigner", "options", "error", "message"),
    [
        (torch.nn.Linear(1, 1), la.ATSS(), {}, TypeError, "RetinaNet, FCOS, SSD, or a stage, got Linear"),
        ("Faster R-CNN", la.ATSS(), {}, TypeError, "pass `model.rpn` or `model.roi_heads`"),
        ("RetinaNet", la.LAD(la.PAA()), {}, ValueError, "got LAD and teacher=None"),
        ("RetinaNet", la.ATSS(), {"teacher": "RetinaNet"}, ValueError, "got ATSS and teacher=RetinaNet"),
        ("RetinaNet", la.LAD(la.PAA()), {"teacher": "FCOS"}, TypeError, "a teacher that is a RetinaNet, got FCOS"),
    ],
)
def test_what_does_not_fit_is_refused(model, assigner, options, error, message):
    made = torchvision_model(model) if isinstance(model, str) else model
    options = {name: torchvision_model(kind) for name, kind in options.items()}
    with pytest.raises(error, match=message):
        attach(made, assigner, **options)
    assert Handle.of(made) is None


def test_two_assigners_and_a_stage_that_proposes_nothing():
    model = torchvision_model("Faster R-CNN")
    with pytest.raises(ValueError, match="looks at boxes alone"):
        attach(model.roi_heads, la.PAA())
    with attach(model.rpn, la.ATSS()), pytest.raises(ValueError, match="one that has one"):
        attach(model.rpn, la.ATSS())


def test_a_teacher_over_other_anchors_is_refused():
    model, teacher = torchvision_model("RetinaNet"), torchvision_model("RetinaNet", sides=(20, 40, 80))
    attach(model, la.LAD(la.PAA()), teacher=teacher)
    with pytest.raises(ValueError, match="a teacher with the same anchors"):
        losses(model)


def test_a_missing_package_and_an_untested_version(monkeypatch):
    monkeypatch.setitem(packages.TESTED, "torchvision", ("torchvision", "0.1", "0.2"))
    with pytest.warns(UserWarning, match=r"tested with torchvision 0.1 to 0.2; 0\.\d+"):
        packages.need("torchvision")
    monkeypatch.setitem(packages.TESTED, "no_such_library", ("no-such", "1", "1"))
    with pytest.raises(ImportError, match=r"pip install 'labelassign\[no_such_library\]'"):
        packages.need("no_such_library")


def test_a_handle_is_picklable_and_forgets_the_batch():
    model = torchvision_model("RetinaNet")
    handle = attach(model, la.ATSS())
    losses(model)
    assert handle.last is not None
    assert Handle.of(pickle.loads(pickle.dumps(model))).last is None
    assert Handle.of(torch.nn.Linear(1, 1)) is None
