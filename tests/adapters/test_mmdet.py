"""mmdet's own detectors, in training."""

import copy
import io

import pytest
import torch

import labelassign as la
from labelassign.adapters import Handle, Pair
from labelassign.adapters.mmdet import attach
from tests.adapters.mmdet_models import HEADS, batch, losses, mmdet_model, prepare_tood, train, values
from tests.adapters.networks import SIZE

RULES = {
    "RetinaHead": la.MaxIoU.mmdet_retinanet(),
    "ATSSHead": la.ATSS.mmdet(),
    "PAAHead": la.PAA.mmdet(),
    "LADHead": la.LAD(la.PAA.mmdet()),
    "TOODHead": la.TaskAligned.tood(),
    "RTMDetHead": la.DynamicSoftLabel.rtmdet(),
}
WITH_TEACHER = ("RetinaHead", "ATSSHead", "PAAHead", "TOODHead", "RTMDetHead")
OTHERS = (la.ATSS(), la.PAA(), la.SimOTA(), la.TaskAligned())
named = pytest.mark.parametrize("assigner", OTHERS, ids=lambda each: type(each).__name__)
pytestmark = pytest.mark.filterwarnings("ignore:torch.meshgrid")


@pytest.fixture(autouse=True)
def _tood(monkeypatch):
    prepare_tood(4, monkeypatch)


def falls(found):
    return bool(torch.tensor(found).isfinite().all()) and sum(found[-3:]) < sum(found[:3])


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("kind", RULES)
def test_the_stock_rule_gives_the_stock_losses(kind, ignored):
    stock, ours = (mmdet_model(kind) for _ in range(2))
    given = batch(ignored, sizes=[SIZE, (64, 96)])  # the second image ends before its anchors do
    with attach(ours, RULES[kind]) as handle:
        assert train(ours, 3, given=given) == pytest.approx(train(stock, 3, given=given), abs=1e-5)
        theirs, mine = losses(stock, given), losses(ours, given)
    assert values(mine) == pytest.approx(values(theirs), abs=1e-5)
    assert handle.stats["objects"] == 3 - ignored
    assert handle.stats["positives"] > 0
    assert handle.step == 4


def test_a_young_tood_takes_its_first_rule(monkeypatch):
    prepare_tood(0, monkeypatch)
    stock, ours = (mmdet_model("TOODHead") for _ in range(2))
    with attach(ours, la.ATSS.mmdet()):
        assert train(ours, 3) == pytest.approx(train(stock, 3), abs=1e-5)


@pytest.mark.parametrize("kind", ["RetinaHead", "ATSSHead", "PAAHead"])
def test_anchors_across_the_border_are_left_out_where_the_head_does_so(kind):
    weight = -1 if kind == "PAAHead" else 2.0  # PAAHead's also weighs its costs, and candidates that it rejects
    inside = HEADS[kind]["train_cfg"] | {"allowed_border": 0, "pos_weight": weight}
    stock, ours = (mmdet_model(kind, train_cfg=inside) for _ in range(2))
    with attach(ours, RULES[kind]) as handle:
        assert values(losses(ours)) == pytest.approx(values(losses(stock)), abs=1e-5)
    assert handle.stats["ignored"] > 0


@pytest.mark.parametrize("kind", WITH_TEACHER)
@named
def test_every_other_assigner_trains(kind, assigner):
    model = mmdet_model(kind)
    with attach(model, assigner) as handle:
        assert falls(train(model, 20))
    assert handle.stats["positives"] >= 3


@pytest.mark.parametrize("assigner", [la.ATSS(), la.LAD(la.TaskAligned())], ids=lambda each: type(each).__name__)
def test_other_assigners_train_mmdet_s_lad(assigner):
    model = mmdet_model("LADHead")
    with attach(model, assigner) as handle:
        assert falls(train(model, 20))
    assert handle.stats["positives"] >= 3


@pytest.mark.parametrize("kind", WITH_TEACHER)
def test_a_teacher_decides_and_only_looks(kind):
    model, teacher = mmdet_model(kind), mmdet_model(kind, seed=7)
    train(teacher, 5)
    teacher.zero_grad()
    before = copy.deepcopy(teacher.state_dict())
    with attach(model, la.LAD(la.PAA()), teacher=teacher) as handle:
        assert falls(train(model, 20))
        index = handle.last.gt_index
    assert all(before[name].equal(value) for name, value in teacher.state_dict().items())
    assert all(each.grad is None for each in teacher.parameters())
    assert all(part.training for part in teacher.modules())
    # what it decides is what PAA decides for the teacher in eval mode, on the same pixels
    teacher.eval()
    with attach(teacher, la.PAA()) as alone, torch.no_grad():
        losses(teacher)
    assert alone.last.gt_index.equal(index)


@pytest.mark.parametrize("kind", WITH_TEACHER)
def test_both_networks_of_colad_train(kind):
    model, other = mmdet_model(kind), mmdet_model(kind, seed=7)
    both = Pair(model, other)
    with attach(model, la.CoLAD(la.PAA()), teacher=other) as handle:
        first = losses(both)
        assert falls(train(both, 20))
    assert {name for name in first if name.startswith("teacher_")} == {f"teacher_{name}" for name in losses(model)}
    assert all(each.grad is not None for each in (*model.parameters(), *other.parameters()))
    assert {"student_rho", "teacher_rho", "teacher_share"} < set(handle.stats)


def test_heads_of_two_kinds_share_their_anchors():
    model, other = mmdet_model("ATSSHead"), mmdet_model("PAAHead", seed=7)
    with attach(model, la.CoLAD(la.PAA()), teacher=other):
        assert {"loss_centerness", "teacher_loss_iou"} < set(losses(model))
        assert falls(train(Pair(model, other), 20))


@pytest.mark.parametrize(("kind", "weight", "same"), [("PAAHead", "none", "iou"), ("LADHead", "iou", "none")])
def test_the_weight_of_the_box_loss_is_a_choice(kind, weight, same):
    model = mmdet_model(kind)
    found = {}
    for choice in (None, weight, same):
        with attach(model, RULES[kind], box_weight=choice) as handle, torch.no_grad():
            found[choice] = values(losses(model))
            head, assignment = model.bbox_head, handle.last
    assert found[None] == found[same]
    assert {name for name in found[None] if found[None][name] != found[weight][name]} == {"loss_bbox"}
    # GIoU's loss of every positive, weighted by its overlap or not
    pixels, samples = batch()
    with torch.no_grad():
        maps = head(model.extract_feat(pixels))
    deltas = torch.cat([each.permute(0, 2, 3, 1).reshape(2, -1, 4) for each in maps[1]], 1)[assignment.positive]
    grid = torch.cat(head.prior_generator.grid_priors([each.shape[-2:] for each in maps[1]], device="cpu"))
    boxes = head.bbox_coder.decode(grid.repeat(2, 1)[assignment.positive.flatten()], deltas)
    own = samples[0].gt_instances.bboxes[assignment.gt_index[assignment.positive]]
    share = la.geometry.paired_iou(boxes, own) if weight == "iou" else torch.ones(len(own))
    loss = head.loss_bbox(boxes, own, share, avg_factor=share.sum())
    assert found[weight]["loss_bbox"] == pytest.approx(float(loss), abs=1e-5)


@pytest.mark.parametrize("kind", RULES)
def test_detach_puts_everything_back(kind):
    model = mmdet_model(kind)
    stock = values(losses(model))
    names = {name: set(vars(part)) for name, part in model.named_modules()}
    handle = attach(model, la.ATSS(topk=2))
    assert values(losses(model)) != stock
    handle.detach()
    handle.detach()
    assert {name: set(vars(part)) for name, part in model.named_modules()} == names
    assert not any(part._forward_pre_hooks for part in model.modules())
    assert values(losses(model)) == stock
    with pytest.raises(RuntimeError, match="stop"), attach(model, la.MaxIoU()):
        raise RuntimeError("stop")
    assert values(losses(model)) == stock


@pytest.mark.parametrize("kind", ["RetinaHead", "PAAHead", "RTMDetHead"])
def test_copies_keep_the_assigner_and_the_state_dict_knows_nothing(kind):
    model, teacher = mmdet_model(kind), mmdet_model(kind, seed=7)
    keys = list(model.state_dict())
    handle = attach(model, la.LAD(la.PAA()), teacher=teacher)
    want = values(losses(model))
    assert list(model.state_dict()) == keys
    with torch.no_grad():
        model(batch()[0], mode="tensor")  # nobody asks a teacher about these pixels
    twin = copy.deepcopy(model)
    assert vars(model.bbox_head)["loss_by_feat"].images is not None
    assert vars(twin.bbox_head)["loss_by_feat"].images is None
    assert Handle.of(twin).model is twin
    assert Handle.of(twin).teacher is handle.teacher
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for again in (twin, torch.load(file, weights_only=False)):
        assert values(losses(again)) == want
        with torch.no_grad():  # a copy uses its own head
            for each in again.bbox_head.parameters():
                each.mul_(1.5)
        assert values(losses(again)) != want
        Handle.of(again).detach()
        assert Handle.of(again) is None
    assert values(losses(model)) == want


def test_a_copy_of_mmdet_s_lad_is_decided_by_its_own_teacher():
    model = mmdet_model("LADHead")
    handle = attach(model, RULES["LADHead"])
    assert handle.teacher is None  # it is a part of the model
    twin = copy.deepcopy(model)
    want = values(losses(model))
    with torch.no_grad():
        twin.teacher_model.bbox_head.atss_reg.bias += 1
    assert values(losses(twin)) != want
    assert values(losses(model)) == want


def test_training_resumes_with_the_same_losses():
    whole, first, second = (mmdet_model("ATSSHead") for _ in range(3))
    for model in (whole, first, second):
        attach(model, la.Warmup(la.ATSS(), la.TaskAligned(), steps=4))
    want = train(whole, 6, rate=0.0)
    got = train(first, 3, rate=0.0)
    second.load_state_dict(first.state_dict())
    Handle.of(second).step = Handle.of(first).step
    assert got + train(second, 3, rate=0.0) == pytest.approx(want, abs=1e-6)


def test_a_head_alone_is_enough_without_a_teacher():
    model = mmdet_model("PAAHead")
    with attach(model.bbox_head, la.ATSS()) as handle:
        losses(model)
    assert handle.stats["positives"] > 0
    assert Handle.of(model) is None
    with pytest.raises(TypeError, match="Pass whole detectors, not heads"):
        attach(model.bbox_head, la.LAD(la.PAA()), teacher=mmdet_model("PAAHead"))


def test_anchors_outside_of_their_object_have_no_centerness():
    from labelassign.adapters.encoding import centerness

    model = mmdet_model("ATSSHead")
    with attach(model, la.MaxIoU(0.1, 0.1)) as handle:
        assert falls(train(model, 20))
    index = handle.last.gt_index[0]
    head, own = model.bbox_head, index >= 0
    grid = torch.cat(head.prior_generator.grid_priors([(12, 16), (6, 8), (3, 4)], device="cpu"))[own]
    _, samples = batch()
    boxes = samples[0].gt_instances.bboxes[index[own]]
    centre = (grid[:, :2] + grid[:, 2:]) / 2
    inside = ((centre > boxes[:, :2]) & (centre < boxes[:, 2:])).all(1)
    assert 0 < int(inside.sum()) < len(inside)
    ours = centerness(grid, boxes)
    assert ours[inside].equal(head.centerness_target(grid[inside], boxes[inside]))
    assert not ours[~inside].any()


@pytest.mark.parametrize("kind", [kind for kind in RULES if kind != "RTMDetHead"])  # its squares are larger than that
def test_ignored_instances_are_ignored_regions(kind):
    model = mmdet_model(kind)
    with attach(model, la.ATSS()) as handle:
        losses(model, batch(ignored=True))
    assert handle.last.per_gt_count[2] == 0
    assert handle.stats["objects"] == 2
    assert handle.stats["ignored"] > 0


@pytest.mark.parametrize(
    ("model", "assigner", "options", "error", "message"),
    [
        (torch.nn.Linear(1, 1), la.ATSS(), {}, TypeError, r"RTMDetHead, or mmdet's LAD, got Linear \(Linear\)"),
        ("RetinaHead", la.LAD(la.PAA()), {}, ValueError, "got LAD and teacher=None"),
        ("RetinaHead", la.ATSS(), {"teacher": "RetinaHead"}, ValueError, "got ATSS and teacher=SingleStageDetector"),
        ("RetinaHead", la.ATSS(), {"box_weight": "iou"}, TypeError, "a PAAHead or LADHead beside `box_weight`"),
        ("PAAHead", la.ATSS(), {"box_weight": "giou"}, ValueError, "`box_weight` to be one of"),
        ("LADHead", la.LAD(la.PAA()), {"teacher": "PAAHead"}, ValueError, "which has its own"),
        ("LADHead", la.PAA(), {}, ValueError, "an assigner that needs no student"),
    ],
)
def test_what_does_not_fit_is_refused(model, assigner, options, error, message):
    made = mmdet_model(model) if isinstance(model, str) else model
    options = {name: mmdet_model(each) if name == "teacher" else each for name, each in options.items()}
    with pytest.raises(error, match=message):
        attach(made, assigner, **options)
    assert Handle.of(made) is None


def test_a_head_with_a_rule_of_its_own_is_refused():
    model = mmdet_model("ATSSHead")
    kind = type(model.bbox_head)
    model.bbox_head.__class__ = type("OwnTargets", (kind,), {"get_targets": kind.get_targets.__call__})
    with pytest.raises(TypeError, match="must keep the loss of one of these"):
        attach(model, la.ATSS())


def test_two_assigners_and_a_teacher_over_other_anchors():
    model, teacher = mmdet_model("ATSSHead"), mmdet_model("RetinaHead")
    with attach(model, la.ATSS()), pytest.raises(ValueError, match="one that has one"):
        attach(model, la.ATSS())
    attach(model, la.LAD(la.PAA()), teacher=teacher)
    with pytest.raises(ValueError, match="a teacher with the same anchors"):
        losses(model)
