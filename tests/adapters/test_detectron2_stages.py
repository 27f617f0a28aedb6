"""The stages of detectron2's R-CNNs, and what its adapter refuses: on a stand-in only, as in test_detectron2.py."""

import copy
import io
import sys

import pytest
import torch

import labelassign as la
from labelassign.adapters import Handle, packages
from labelassign.adapters.detectron2 import attach
from tests.adapters.detectron2_models import batch, instances, losses, make, place, train

pytestmark = pytest.mark.usefixtures("detectron2")
GUIDE = "It is not on PyPI; install it as https://detectron2.readthedocs.io/.*install.html says"


def values(found):
    return {name: float(each.detach()) for name, each in found.items()}


@pytest.mark.parametrize("limit", [-1.0, 0.0, 8.0])
def test_the_stock_rule_of_an_rpn_gives_the_stock_losses(limit):
    stock, ours = (make("RPN", anchor_boundary_thresh=limit) for _ in range(2))
    with attach(ours.proposal_generator, la.MaxIoU.rpn()) as handle:
        assert train(ours, 3) == pytest.approx(train(stock, 3), abs=1e-5)
    assert handle.stats["positives"] > 0
    assert handle.step == 3


@pytest.mark.parametrize("assigner", [la.ATSS(), la.PAA(), la.TaskAligned()], ids=lambda each: type(each).__name__)
def test_other_assigners_train_an_rpn(assigner):
    model = make("RPN")
    with attach(model.proposal_generator, assigner) as handle:
        found = train(model, 20, rate=3e-2)
    assert torch.tensor(found).isfinite().all()
    assert sum(found[-3:]) < sum(found[:3])
    assert handle.stats["positives"] >= 3


def test_the_sampler_of_an_rpn_draws_from_our_labels():
    from detectron2.utils.events import EventStorage

    model = make("RPN", batch_size_per_image=8)
    with attach(model.proposal_generator, la.ATSS()) as handle, EventStorage() as storage:
        model(batch())
    assert handle.stats["positives"] > 4
    drawn = {name: value for name, (value, _) in storage.latest().items()}
    assert drawn == {"rpn/num_pos_anchors": 2.0, "rpn/num_neg_anchors": 6.0}  # the second image has no objects


def test_lad_of_an_rpn():
    model, teacher = make("RPN"), make("RPN", seed=7)
    train(teacher, 5)
    teacher.zero_grad()
    before = copy.deepcopy(teacher.state_dict())
    with attach(model.proposal_generator, la.LAD(la.PAA()), teacher=teacher) as handle:
        found = train(model, 20, rate=3e-2)
    assert sum(found[-3:]) < sum(found[:3])
    assert all(before[name].equal(value) for name, value in teacher.state_dict().items())
    assert all(each.grad is None for each in teacher.parameters())
    assert all(part.training for part in teacher.modules())
    with attach(teacher.proposal_generator, la.PAA()) as alone, torch.no_grad():
        for part in teacher.backbone.modules():
            part.training = False
        losses(teacher)
    assert alone.last.gt_index.equal(handle.last.gt_index)


def test_an_rpn_is_put_back():
    model = make("RPN")
    names = {name: set(vars(part)) for name, part in model.named_modules()}
    stock, stage = values(losses(model)), model.proposal_generator
    handle = attach(stage, la.LAD(la.PAA()), teacher=make("RPN", seed=7))
    assert values(losses(model)) != stock
    handle.detach()
    assert {name: set(vars(part)) for name, part in model.named_modules()} == names
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in model.modules())
    assert values(losses(model)) == stock


def test_copies_of_an_rpn():
    from detectron2.structures import ImageList

    model = make("RPN")
    keys = list(model.state_dict())
    handle = attach(model.proposal_generator, la.LAD(la.PAA()), teacher=make("RPN", seed=7))
    want = values(losses(model))
    assert list(model.state_dict()) == keys
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    for again in (copy.deepcopy(model), torch.load(file, weights_only=False)):
        assert values(losses(again)) == want
        own = Handle.of(again.proposal_generator)
        assert own is not handle
        assert own.model is again.proposal_generator
    stage = model.proposal_generator
    entry = vars(stage)["label_and_sample_anchors"]
    assert (entry.images, entry.outputs) == (None, None)
    stage.eval()
    with torch.no_grad():
        images = ImageList(torch.rand(1, 3, 64, 64), [(64, 64)])
        stage(images, model.backbone(images.tensor))
    assert (entry.images, entry.outputs) == (None, None)


def proposals():
    """Boxes around the objects, and elsewhere."""
    from detectron2.structures import Boxes, Instances

    generator, found = torch.Generator().manual_seed(5), []
    for each in instances():
        near = each.gt_boxes.tensor.repeat(6, 1)
        near = near + 6 * torch.randn(near.shape, generator=generator)
        far = 60 * torch.rand(20 + len(found), 2, generator=generator)
        boxes = Boxes(torch.cat([near, torch.cat([far, far + 20], 1)]))
        logits = torch.randn(len(boxes), generator=generator)
        found.append(Instances(each.image_size, proposal_boxes=boxes, objectness_logits=logits))
    return found


def drawn(stage, seed=0):
    """Fields of all proposals that it draws."""
    from detectron2.utils.events import EventStorage

    found = proposals()
    torch.manual_seed(seed)
    with EventStorage():
        return [each.get_fields() for each in stage.label_and_sample_proposals(found, instances())]


def same(some, others):
    read = [[{k: getattr(v, "tensor", v) for k, v in each.items()} for each in fields] for fields in (some, others)]
    assert [set(each) for each in read[0]] == [set(each) for each in read[1]]
    return all(a[name].equal(b[name]) for a, b in zip(*read, strict=True) for name in a)


@pytest.mark.parametrize("append", [True, False])
def test_the_stock_rule_of_the_heads_draws_the_stock_proposals(append):
    stage = make("ROIHeads", proposal_append_gt=append)
    want, before = drawn(stage), set(vars(stage))
    positive = want[0]["gt_classes"] != stage.num_classes
    assert 0 < int(positive.sum()) < len(positive)
    with attach(stage, la.MaxIoU.rcnn()) as handle:
        found = drawn(stage)
    assert handle.stats["positives"] > 0
    # the second image has fewer proposals and no objects: what fills its row up takes no part
    assert handle.last.ignored.sum(1).tolist() == [0, handle.last.ignored.shape[1] - len(proposals()[1])]
    for each, other in zip(found, want, strict=True):  # the box of a negative is any
        keep = other["gt_classes"] != stage.num_classes
        assert each["gt_classes"].equal(other["gt_classes"])
        assert each["proposal_boxes"].tensor.equal(other["proposal_boxes"].tensor)
        assert each.keys() == other.keys()
        assert not keep.any() or each["gt_boxes"][keep].tensor.equal(other["gt_boxes"][keep].tensor)
    assert set(vars(stage)) == before
    assert same(drawn(stage), want)


def test_the_heads_draw_no_ignored_proposals():
    stage = make("ROIHeads")
    with attach(stage, la.MaxIoU(0.8, (0.1, 0.3), low_quality="off")) as handle:
        found = drawn(stage)
    ignored = handle.last.ignored[0]
    every = torch.cat([proposals()[0].proposal_boxes.tensor, instances()[0].gt_boxes.tensor])
    assert 0 < int(ignored.sum()) < len(every)
    left = found[0]["proposal_boxes"].tensor[:, None] == every[ignored[: len(every)]]
    assert not left.all(2).any()
    assert handle.stats["positives"] >= 3  # the objects themselves


def subject(kind):
    """What an assigner may be attached to, and what not."""
    if kind == "Linear":
        return torch.nn.Linear(1, 1)
    return make("RPN") if kind == "ProposalNetwork" else place(make(kind))


@pytest.mark.parametrize(
    ("kind", "assigner", "teacher", "error", "message"),
    [
        ("Linear", la.ATSS(), None, TypeError, "a RetinaNet, FCOS, or a stage, got Linear"),
        (
            "ProposalNetwork",
            la.ATSS(),
            None,
            TypeError,
            "got ProposalNetwork.*pass `model.proposal_generator`",
        ),
        ("RetinaNet", la.LAD(la.PAA()), None, ValueError, "got LAD and teacher=None"),
        ("RetinaNet", la.ATSS(), "RetinaNet", ValueError, "got ATSS and teacher=RetinaNet"),
        ("RetinaNet", la.LAD(la.PAA()), "FCOS", TypeError, "a teacher that is a RetinaNet, got FCOS"),
        ("RPN", la.LAD(la.PAA()), "RetinaNet", TypeError, "LAD with an R-CNN as the teacher of an RPN, got RetinaNet"),
        ("RPN", la.CoLAD(la.PAA()), "RPN", TypeError, "CoLAD trains whole detectors"),
        ("ROIHeads", la.PAA(), None, ValueError, "looks at boxes alone for `roi_heads`, got PAA"),
    ],
)
def test_what_does_not_fit_is_refused(kind, assigner, teacher, error, message):
    model = subject(kind)
    names = set(vars(model))
    with pytest.raises(error, match=message):
        attach(model, assigner, teacher=None if teacher is None else make(teacher))
    assert Handle.of(model) is None
    assert set(vars(model)) == names


def test_two_assigners_and_rotated_anchors():
    model = make("RetinaNet")
    with attach(model, la.ATSS()), pytest.raises(ValueError, match="one that has one"):
        attach(model, la.ATSS())
    model.anchor_generator.box_dim = 5
    with pytest.raises(TypeError, match=r"like DefaultAnchorGenerator, got .* Rotated anchors"):
        attach(model, la.ATSS())


@pytest.mark.parametrize("kind", ["RetinaNet", "RPN"])
def test_a_teacher_over_other_anchors_is_refused(kind):
    model, teacher = make(kind), make(kind, sides=(20, 40, 80))
    attach(place(model), la.LAD(la.PAA()), teacher=teacher)
    with pytest.raises(ValueError, match="a teacher with the same anchors"):
        losses(model)


def test_a_teacher_of_other_classes_is_refused():
    with pytest.raises(ValueError, match="same number of classes everywhere, got model: 3, teacher: 4"):
        attach(make("FCOS"), la.LAD(la.PAA()), teacher=make("FCOS", classes=4))


def test_a_missing_package_and_another_version(monkeypatch):
    monkeypatch.setitem(packages.TESTED, "detectron2", ("detectron2", "0.4", "0.5"))
    with pytest.warns(UserWarning, match=r"was written for detectron2 0.4 to 0.5; 0.6 is installed"):
        packages.need("detectron2")
    monkeypatch.setitem(sys.modules, "detectron2", None)
    with pytest.raises(ImportError, match=GUIDE):
        attach(torch.nn.Linear(1, 1), la.ATSS())
