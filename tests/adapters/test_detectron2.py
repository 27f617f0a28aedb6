"""RetinaNet and FCOS of detectron2, in training: on a stand-in only, since detectron2 is not on PyPI."""

import copy
import io

import pytest
import torch

import labelassign as la
from labelassign.adapters import Handle, Pair
from labelassign.adapters.detectron2 import attach, from_detectron2, log, to_detectron2
from labelassign.adapters.detectron2.dense import centered
from labelassign.adapters.detectron2.encoding import objects
from tests.adapters.detectron2_models import CLASSES, batch, instances, losses, make, train

pytestmark = pytest.mark.usefixtures("detectron2")
RULES = {"RetinaNet": la.MaxIoU.retinanet(), "FCOS": la.FCOS.torchvision()}
OTHERS = (la.ATSS(), la.PAA(), la.TaskAligned(), la.SimOTA(), la.Rescue(la.ATSS()), la.OTA())


def values(found):
    return {name: float(each.detach()) for name, each in found.items()}


def fresh(model, seed=0):
    """Its losses under the moving average that a new model begins with."""
    vars(model).pop("loss_normalizer", None)
    return values(losses(model, seed))


def asked(model):
    """Feature maps and anchors of the batch."""
    maps = model.backbone(model.preprocess_image(batch()).tensor)
    maps = [maps[name] for name in model.head_in_features]
    return maps, model.anchor_generator(maps)


@pytest.mark.parametrize("kind", RULES)
def test_the_stock_rule_gives_the_stock_losses(kind):
    stock, ours = (make(kind) for _ in range(2))
    with attach(ours, RULES[kind]) as handle:
        assert train(ours, 3) == pytest.approx(train(stock, 3), abs=1e-5)
    assert ours.loss_normalizer == stock.loss_normalizer
    assert handle.stats["positives"] > 0
    assert handle.step == 3


@pytest.mark.parametrize("kind", RULES)
def test_the_stock_rule_gives_the_stock_labels_and_boxes(kind):
    from detectron2.structures import Boxes

    model = make(kind)
    with attach(model, RULES[kind]) as handle:
        losses(model)
    gt = objects(instances())
    labels, boxes = to_detectron2(handle.last, gt, CLASSES)
    want = model.label_anchors(asked(model)[1], instances())
    assert all(ours.equal(theirs) for ours, theirs in zip(labels, want[0], strict=True))
    real = [(each >= 0) & (each != CLASSES) for each in labels]
    assert sum(int(each.sum()) for each in real) > 0
    assert all(a[keep].equal(b[keep]) for a, b, keep in zip(boxes, want[1], real, strict=True))
    # what detectron2 says can be read, as tensors or as its own type
    for given in (want[1], list(map(Boxes, want[1]))):
        assert from_detectron2(want[0], given, gt, CLASSES).gt_index.equal(handle.last.gt_index)


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("assigner", OTHERS, ids=lambda each: type(each).__name__)
def test_every_other_assigner_trains(kind, assigner):
    model = make(kind)
    with attach(model, assigner) as handle:
        found = train(model, 20, steady=True)
    assert torch.tensor(found).isfinite().all()
    assert sum(found[-3:]) < sum(found[:3])
    assert handle.stats["objects"] == 3
    assert handle.stats["positives"] >= 3


@pytest.mark.parametrize("kind", RULES)
def test_a_teacher_decides_and_only_looks(kind):
    model, teacher = make(kind), make(kind, seed=7)
    train(teacher, 5)
    teacher.zero_grad()
    before, names = copy.deepcopy(teacher.state_dict()), set(vars(teacher))
    with attach(model, la.LAD(la.PAA()), teacher=teacher) as handle:
        found = train(model, 20, steady=True)
        index = handle.last.gt_index
    assert sum(found[-3:]) < sum(found[:3])
    assert all(before[name].equal(value) for name, value in teacher.state_dict().items())
    assert all(each.grad is None for each in teacher.parameters())
    assert all(part.training for part in teacher.modules())
    assert set(vars(teacher)) == names
    # what it decides is what PAA decides for the teacher in eval mode, on the same pixels
    with attach(teacher, la.PAA()) as alone, torch.no_grad():
        for part in teacher.backbone.modules():
            part.training = False
        losses(teacher)
    assert alone.last.gt_index.equal(index)


@pytest.mark.parametrize("kind", RULES)
def test_both_networks_of_colad_train(kind):
    model, other = make(kind), make(kind, seed=7)
    stock, both = set(losses(model)), Pair(model, other)
    names = set(vars(other))
    with attach(model, la.CoLAD(la.PAA()), teacher=other) as handle:
        first = losses(both)
        found = train(both, 20, steady=True)
    assert set(first) == stock | {f"teacher_{name}" for name in stock}
    assert torch.tensor(found).isfinite().all()
    assert sum(found[-3:]) < sum(found[:3])
    assert all(each.grad is not None for each in (*model.head.parameters(), *other.head.parameters()))
    assert {"student_rho", "teacher_rho", "teacher_share"} < set(handle.stats)
    assert set(vars(other)) == names | {"loss_normalizer"}


@pytest.mark.parametrize("kind", RULES)
def test_twins_of_colad_lose_the_same(kind):
    model, other = make(kind), make(kind)
    with attach(model, la.CoLAD(la.PAA()), teacher=other):
        found = values(losses(model))
    assert len(found) in (4, 6)
    assert all(value == found[name.removeprefix("teacher_")] for name, value in found.items())


@pytest.mark.parametrize("kind", RULES)
def test_a_model_says_of_its_anchors_what_its_own_coder_says(kind):
    from detectron2.structures import Boxes

    model = make(kind)
    seen = []
    with attach(model, la.PAA()) as handle:
        handle.decide = lambda *given: seen.append(given) or handle.assigner(*given[:3])
        losses(model)
    priors, _, said, _ = seen[0]
    maps, anchors = asked(model)
    outputs = model.head(maps)
    parts = model._transpose_dense_predictions(outputs, [CLASSES, 4, 1][: len(outputs)])
    assert priors.boxes.equal(Boxes.cat(anchors).tensor)
    assert priors.strides.unique().tolist() == [8, 16, 32]
    assert (priors.level_sizes, priors.per_cell) == (tuple(map(len, anchors)), 3 if kind == "RetinaNet" else 1)
    assert said.scores.equal(torch.cat(parts[0], 1))
    want = model.box2box_transform.apply_deltas(torch.cat(parts[1], 1)[1], priors.boxes)
    assert said.boxes[1].equal(want)
    assert (said.objectness is None) == (kind == "RetinaNet")
    if said.objectness is not None:
        assert said.objectness.equal(torch.cat(parts[2], 1).squeeze(2))


@pytest.mark.parametrize("kind", RULES)
def test_detach_puts_everything_back(kind):
    model = make(kind)
    stock = fresh(model)
    names = {name: set(vars(part)) for name, part in model.named_modules()}
    handle = attach(model, la.LAD(la.PAA()), teacher=make(kind, seed=7))
    assert fresh(model) != stock
    handle.detach()
    handle.detach()
    assert {name: set(vars(part)) for name, part in model.named_modules()} == names
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert fresh(model) == stock


@pytest.mark.parametrize("kind", RULES)
@pytest.mark.parametrize("method", [la.LAD, la.CoLAD])
def test_copies_keep_the_assigner_and_the_state_dict_knows_nothing(kind, method):
    model, teacher = make(kind), make(kind, seed=7)
    keys = list(model.state_dict())
    handle = attach(model, method(la.PAA()), teacher=teacher)
    want = {name: value for name, value in fresh(model).items() if not name.startswith("teacher_")}
    assert list(model.state_dict()) == keys
    twin = copy.deepcopy(model)
    assert Handle.of(twin) is not handle
    assert Handle.of(twin).model is twin
    assert Handle.of(twin).teacher is handle.teacher
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for again in (twin, torch.load(file, weights_only=False)):
        assert fresh(again).items() >= want.items()
        with torch.no_grad():  # a copy uses its own head
            for each in again.head.parameters():
                each.mul_(1.5)
        assert not fresh(again).items() >= want.items()
        Handle.of(again).detach()
        assert Handle.of(again) is None
    assert fresh(model).items() >= want.items()


def test_training_resumes_with_the_same_losses():
    whole, first, second = (make("RetinaNet") for _ in range(3))
    for model in (whole, first, second):
        attach(model, la.Warmup(la.ATSS(), la.TaskAligned(), steps=4))
    want = train(whole, 6, rate=0.0)
    got = train(first, 3, rate=0.0)
    second.load_state_dict(first.state_dict())
    second.loss_normalizer = first.loss_normalizer  # detectron2 keeps it in no state dict
    Handle.of(second).step = Handle.of(first).step
    assert got + train(second, 3, rate=0.0) == pytest.approx(want, abs=1e-6)


def test_no_batch_stays_behind():
    model = make("FCOS")
    attach(model, la.CoLAD(la.PAA()), teacher=make("FCOS", seed=7))
    losses(model)
    entry = vars(model)["label_anchors"]
    assert (entry.images, entry.outputs, entry.theirs) == (None, None, None)
    model.head(asked(model.eval())[0])  # inference
    assert (entry.images, entry.outputs) == (None, None)


def test_points_outside_of_their_object_have_no_centerness():
    model = make("FCOS")
    with attach(model, la.MaxIoU(0.01, 0.01)) as handle:
        found = fresh(model)
    _, boxes = to_detectron2(handle.last, objects(instances()), CLASSES)
    stock = model.compute_ctrness_targets(asked(model)[1], boxes)[handle.last.positive]
    assert stock.isnan().any()
    ours = centered(asked(model)[1], boxes)[handle.last.positive]
    assert ours[stock.isnan()].eq(0).all()
    torch.testing.assert_close(ours[ours > 0], stock[ours > 0])
    assert torch.tensor(list(found.values())).isfinite().all()
    # the same for the other network of CoLAD, whatever chose the points
    with attach(model, la.CoLAD(la.PAA()), teacher=make("FCOS")) as handle:
        handle.decide = lambda priors, gt, *_: la.MaxIoU(0.01, 0.01)(priors, gt)
        both = fresh(model)
    assert both == found | {f"teacher_{name}": value for name, value in found.items()}


def test_earlier_boxes():
    # FCOS of detectron2 0.5 says its boxes as `Boxes`
    from detectron2.modeling.meta_arch.fcos import FCOS
    from detectron2.structures import Boxes

    class Earlier(FCOS):
        def match_anchors(self):
            raise AssertionError

        def losses(self, anchors, logits, labels, deltas, boxes, centerness):
            assert all(type(each) is Boxes for each in boxes)
            self.seen = self.compute_ctrness_targets(anchors, boxes)
            return super().losses(anchors, logits, labels, deltas, [each.tensor for each in boxes], centerness)

    model = make("FCOS")
    model.__class__ = Earlier
    with attach(model, la.FCOS.torchvision()) as handle:
        found = values(losses(model))
    assert found == pytest.approx(values(losses(make("FCOS"))), abs=1e-5)
    assert model.seen[handle.last.positive].min() > 0


def test_ignored_anchors():
    gt = la.GroundTruth.from_list([{"boxes": [[0, 0, 9, 9]], "labels": [1]}, {"boxes": [[0, 0, 9, 9]], "labels": [0]}])
    priors = la.Priors.from_boxes([[0, 0, 9, 9], [0, 0, 9, 6], [0, 0, 9, 4.2], [20, 20, 29, 29]])
    a = la.MaxIoU(0.7, 0.5, low_quality="off")(priors, gt)
    labels, boxes = to_detectron2(a, gt, 5)
    assert [each.tolist() for each in labels] == [[1, -1, 5, 5], [0, -1, 5, 5]]
    assert from_detectron2(labels, boxes, gt, 5).gt_index.equal(a.gt_index)
    assert [each.tolist() for each in to_detectron2(a, gt, 5, ignore=False)[0]] == [[1, 5, 5, 5], [0, 5, 5, 5]]


def test_the_numbers_go_to_the_event_storage():
    from detectron2.utils.events import EventStorage

    model = make("RetinaNet")
    handle = attach(model, la.ATSS())
    with EventStorage(7) as storage:
        model(batch())
        log(handle)
    told = storage.latest()
    assert {name: told[f"assignment/{name}"] for name in handle.stats} == {k: (v, 7) for k, v in handle.stats.items()}
    assert told["num_pos_anchors"][0] * 2 == handle.stats["positives"]
    log(handle)  # nobody listens
    assert storage.latest() == told
