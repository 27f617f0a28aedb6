"""Bad arguments of the distillation losses, and the losses under fake tensors and torch.compile."""

import math

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from labelassign.distill.losses import (
    HeadOutputs,
    SoftDistillation,
    focal_kl,
    generalised_iou_loss,
    localisation_distillation,
    select_boxes,
    soft_l1,
    soft_l2,
)
from labelassign.structures import GroundTruth

X = torch.zeros(2, 3)
BOXES = torch.zeros(2, 5, 4)
ELSEWHERE = torch.device("meta")


def objects(rows=1, images=2, **changes):
    fields = {
        "boxes": torch.tensor([[0.0, 0, 4, 4]]).repeat(rows, 1),
        "labels": torch.zeros(rows, dtype=torch.int64),
        "offsets": torch.tensor([0, *[rows] * images]),
        "ignore": torch.zeros(rows, dtype=torch.bool),
    }
    return GroundTruth(**(fields | changes))


def heads(images=2, priors=5, classes=3):
    torch.manual_seed(0)
    shapes = ((images, priors, classes), (images, priors, 4), (images, priors))
    return [HeadOutputs(*(torch.rand(shape) for shape in shapes)) for _ in range(2)]


def refused(error, call, *parts):
    """The call raises `error`; its message has who, what was expected, what came and what to do."""
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert ": expected " in message
    assert ", got " in message
    assert message.endswith((".", ")"))
    for part in parts:
        assert part in message, message


# ------------------------------------------------------------------------------------------------ element-wise losses


@pytest.mark.parametrize("loss", [focal_kl, soft_l1, soft_l2])
def test_bad_pairs_are_refused(loss):
    who = loss.__name__
    refused(ValueError, lambda: loss(X, X[:1]), who, "`teacher`", "[2, 3]", "[1, 3]")
    refused(ValueError, lambda: loss(X, X.to(ELSEWHERE)), who, "`teacher`", "cpu", "meta")
    refused(TypeError, lambda: loss(X, X.long()), who, "`teacher`", "torch.int64")
    refused(TypeError, lambda: loss([0.0], X), who, "`student`", "list [0.0]")
    refused(ValueError, lambda: loss(X, X, inputs="sigmoid"), who, "`inputs`", "'sigmoid'", "'logits'")
    refused(ValueError, lambda: loss(X, X, teacher_is="softmax"), who, "`teacher_is`", "'softmax'")
    refused(ValueError, lambda: loss(X, X, reduction="max"), who, "`reduction`", "'max'", "'mean'")
    refused(TypeError, lambda: loss(X, X, weight=0.5), who, "`weight`", "float 0.5")
    refused(ValueError, lambda: loss(X, X, weight=torch.ones(2)), who, "`weight`", "[2, 3]", "[2]")
    refused(ValueError, lambda: loss(X, X, weight=torch.ones(1, 2, 3)), who, "`weight`", "[1, 2, 3]")
    refused(ValueError, lambda: loss(X, X, weight=torch.ones(3, device=ELSEWHERE)), who, "`weight`", "meta")


@pytest.mark.parametrize("loss", [focal_kl, soft_l1, soft_l2])
@pytest.mark.parametrize("value", [-0.01, 1.01, -4.0, math.inf])
def test_logits_passed_as_probabilities_are_refused(loss, value):
    wrong = torch.tensor([[0.5, 0.5, 0.5], [0.5, value, 0.5]])
    right = torch.full((2, 3), 0.5)
    refused(ValueError, lambda: loss(X, wrong, teacher_is="probs"), "`teacher`", f"{value:.6g}", "logits")
    refused(ValueError, lambda: loss(wrong, right, inputs="probs"), "`student`", f"{value:.6g}")
    hidden = torch.tensor([[1.0], [0.0]])  # weight 0 is not looked at
    assert loss(X, wrong, teacher_is="probs", weight=hidden).isfinite().all()


@pytest.mark.parametrize("loss", [focal_kl, soft_l1, soft_l2])
def test_probabilities_may_carry_rounding(loss):
    assert loss(X, torch.full((2, 3), 1 + 1e-6), teacher_is="probs").isfinite().all()


@pytest.mark.parametrize("name", ["gamma", "smooth"])
def test_bad_exponents_are_refused(name):
    for value in (-0.5, math.nan, math.inf):
        refused(ValueError, lambda value=value: focal_kl(X, X, **{name: value}), "focal_kl", name, f"{value}")
    for value in ("2", None, True, torch.tensor(2.0)):
        refused(TypeError, lambda value=value: focal_kl(X, X, **{name: value}), "focal_kl", name)


# ------------------------------------------------------------------------------------------------ boxes


def test_bad_boxes_are_refused():
    refused(ValueError, lambda: generalised_iou_loss(X, X), "generalised_iou_loss", "`boxes`", "[2, 3]")
    refused(ValueError, lambda: generalised_iou_loss(BOXES, BOXES[:, :1]), "`target`", "[2, 5, 4]", "[2, 1, 4]")
    refused(TypeError, lambda: generalised_iou_loss(BOXES.int(), BOXES), "`boxes`", "torch.int32")
    refused(ValueError, lambda: generalised_iou_loss(BOXES, BOXES, eps=-1.0), "`eps`", "-1")


def test_bad_arguments_of_localisation_distillation_are_refused():
    who, weight = "localisation_distillation", torch.ones(2, 5)
    call = localisation_distillation
    refused(ValueError, lambda: call(BOXES[..., :2], BOXES, weight, 1.0), who, "`student_boxes`", "[2, 5, 2]")
    refused(ValueError, lambda: call(BOXES, BOXES[:1], weight, 1.0), who, "`teacher_boxes`", "[1, 5, 4]")
    refused(ValueError, lambda: call(BOXES, BOXES, weight[0], 1.0), who, "`weight`", "[5]")
    refused(TypeError, lambda: call(BOXES, BOXES, weight > 0, 1.0), who, "`weight`", "torch.bool")
    refused(ValueError, lambda: call(BOXES, BOXES, weight, torch.ones(2)), who, "`normalizer`", "[2]")
    for value in (0, 0.0, -3.0, math.nan):
        refused(ValueError, lambda value=value: call(BOXES, BOXES, weight, value), who, "`normalizer`", f"{value}")
    refused(TypeError, lambda: call(BOXES, BOXES, weight, None), who, "`normalizer`", "None")


def test_bad_arguments_of_the_selection_are_refused():
    who = "select_boxes"
    refused(ValueError, lambda: select_boxes(BOXES[0], objects()), who, "[B, N, 4]", "[5, 4]")
    refused(ValueError, lambda: select_boxes(BOXES[..., :3], objects()), who, "`teacher_boxes`", "[2, 5, 3]")
    refused(ValueError, lambda: select_boxes(BOXES, objects(images=3)), who, "gt: 3, teacher_boxes: 2")
    refused(ValueError, lambda: select_boxes(BOXES.to(ELSEWHERE), objects()), who, "meta", "cpu")
    for value in (-0.1, 1.0, math.nan):
        refused(ValueError, lambda value=value: select_boxes(BOXES, objects(), min_iou=value), who, "`min_iou`")


# ------------------------------------------------------------------------------------------------ the whole head


@pytest.mark.parametrize("name", ["cls_weight", "box_weight", "iou_weight", "gamma", "smooth", "min_iou"])
def test_bad_settings_are_refused(name):
    refused(ValueError, lambda: SoftDistillation(**{name: -1.0}), "SoftDistillation", name, "-1")
    refused(TypeError, lambda: SoftDistillation(**{name: "1"}), "SoftDistillation", name, "'1'")


def test_bad_inputs_of_soft_distillation_are_refused():
    who, distil, (student, teacher) = "SoftDistillation", SoftDistillation(), heads()
    refused(ValueError, lambda: SoftDistillation(inputs="softmax"), who, "`inputs`", "'softmax'")
    other = teacher._replace(cls=teacher.cls[..., :2])
    refused(ValueError, lambda: distil(student, other, objects()), who, "`teacher.cls`", "[2, 5, 2]")
    other = student._replace(boxes=student.boxes[:, :4])
    refused(ValueError, lambda: distil(other, teacher, objects()), who, "`student.boxes[..., 0]`", "[2, 4]")
    other = teacher._replace(boxes=teacher.boxes[:, :4])
    refused(ValueError, lambda: distil(student, other, objects()), "`teacher_boxes`", "[2, 4, 4]")
    alone = teacher._replace(iou=None)
    refused(ValueError, lambda: distil(student, alone, objects()), who, "student.iou [2, 5], teacher.iou None")
    column = [head._replace(iou=head.iou[..., None]) for head in (student, teacher)]
    refused(ValueError, lambda: distil(*column, objects()), who, "`student.iou`", "[2, 5, 1]")
    refused(ValueError, lambda: distil(student, teacher, objects(), valid=torch.ones(5).bool()), who, "`valid`", "[5]")


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        SoftDistillation().gamma = 2.0


# ------------------------------------------------------------------------------------------------ without values


@pytest.mark.parametrize("inputs", ["logits", "probs"])
def test_no_value_is_read(inputs):
    """Fake tensors have no values: whatever would wait for an accelerator raises here."""
    with FakeTensorMode():
        student, teacher = heads()
        valid = torch.ones(2, 5, dtype=torch.bool)
        losses = SoftDistillation(inputs=inputs)(student, teacher, objects(rows=3), valid=valid, reduce=True)
    assert [tuple(loss.shape) for loss in losses.values()] == [(), (), ()]


@pytest.mark.parametrize("inputs", ["logits", "probs"])
def test_compiled_in_one_graph(inputs):
    distil, gt = SoftDistillation(inputs=inputs), objects(rows=3, images=2, offsets=torch.tensor([0, 1, 2]))
    student, teacher = heads()
    teacher = teacher._replace(boxes=teacher.boxes + torch.tensor([0.0, 0, 3, 3]))

    def losses_and_gradients(function):
        leaves = HeadOutputs(*(field.clone().requires_grad_() for field in student))
        losses = function(leaves, teacher, gt, valid=torch.arange(5).expand(2, 5) < 4)
        return losses, torch.autograd.grad(sum(losses.values()), leaves)

    compiled = losses_and_gradients(torch.compile(distil.__call__, fullgraph=True, backend="aot_eager"))
    eager = losses_and_gradients(distil)
    assert eager[0]["box"] > 0
    torch.testing.assert_close(compiled, eager)
