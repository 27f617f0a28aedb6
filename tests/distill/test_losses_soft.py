"""Soft distillation of a whole head: its terms, its one normaliser, empty batches, replicas."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import labelassign
from labelassign.distill.losses import (
    HeadOutputs,
    SoftDistillation,
    focal_kl,
    generalised_iou_loss,
    localisation_distillation,
    select_boxes,
)
from labelassign.structures import GroundTruth

REPLICA = Path(__file__).with_name("losses_replica.py")


def scene(images=2, priors=20, classes=3, objects=3, seed=0, ignore=False, branch=True):
    generator = torch.Generator().manual_seed(seed)

    def network():
        boxes = torch.rand(images, priors, 4, generator=generator) * 3 + torch.tensor([0.0, 0, 9, 9])
        cls = torch.randn(images, priors, classes, generator=generator)
        iou = torch.randn(images, priors, generator=generator) if branch else None
        return cls.requires_grad_(), boxes.requires_grad_(), None if iou is None else iou.requires_grad_()

    rows = torch.tensor([0.0, 0, 10, 10]).repeat(images * objects, 1)
    offsets = torch.arange(images + 1) * objects
    gt = GroundTruth(rows, torch.zeros(len(rows), dtype=torch.int64), offsets, torch.full((len(rows),), ignore))
    return HeadOutputs(*network()), HeadOutputs(*network()), gt


def gradients(losses, student):
    leaves = [field for field in student if field is not None]
    return torch.autograd.grad(sum(losses.values()), leaves, allow_unused=True)


def test_the_three_terms_share_one_normaliser():
    student, teacher, gt = scene()
    losses = SoftDistillation.solad()(student, teacher, gt)
    weight = select_boxes(teacher.boxes, gt)
    total = weight.sum()
    assert 0 < weight.count_nonzero() < weight.numel()
    assert total > 1
    cls = focal_kl(student.cls, teacher.cls).sum() / total
    iou = focal_kl(student.iou, teacher.iou)[weight > 0].sum() / total
    box = (generalised_iou_loss(student.boxes, teacher.boxes) * weight).sum() / total
    assert list(losses) == ["cls", "box", "iou"]
    torch.testing.assert_close(losses["cls"], 2 * cls)
    torch.testing.assert_close(losses["box"], 1.3 * box)
    torch.testing.assert_close(losses["iou"], 10 * iou)
    torch.testing.assert_close(localisation_distillation(student.boxes, teacher.boxes, weight, total), box)


def test_presets():
    solad, pure = SoftDistillation.solad(), SoftDistillation.pure()
    assert (solad.cls_weight, solad.box_weight, solad.iou_weight, solad.gamma, solad.min_iou) == (2, 1.3, 10, 0.5, 0.5)
    assert (pure.cls_weight, pure.box_weight, pure.iou_weight, pure.gamma, pure.min_iou) == (10, 1.3, 10, 0.5, 0.5)
    assert SoftDistillation() == solad
    assert SoftDistillation.pure(min_iou=0.1).min_iou == SoftDistillation.solad(min_iou=0.1).min_iou == 0.1


def test_every_setting_reaches_its_term():
    student, teacher, gt = scene()
    base = SoftDistillation()(student, teacher, gt)

    def changed(**settings):
        other = SoftDistillation(**settings)(student, teacher, gt)
        return {name for name in base if not torch.allclose(base[name], other[name], rtol=1e-4)}

    assert changed(cls_weight=3.0) == {"cls"}
    assert changed(box_weight=3.0) == {"box"}
    assert changed(iou_weight=3.0) == {"iou"}
    assert changed(gamma=1.0) == changed(smooth=0.1) == {"cls", "iou"}
    assert changed(min_iou=0.75) == {"cls", "box", "iou"}


def test_heads_that_predict_probabilities():
    student, teacher, gt = scene()
    as_probs = [HeadOutputs(net.cls.sigmoid(), net.boxes, net.iou) for net in (student, teacher)]
    torch.testing.assert_close(
        SoftDistillation(inputs="probs")(*as_probs, gt), SoftDistillation()(student, teacher, gt), rtol=1e-4, atol=1e-5
    )


def test_a_student_equal_to_its_teacher_has_no_loss():
    _, teacher, gt = scene()
    losses = SoftDistillation.solad()(teacher, teacher, gt)
    assert [loss.item() for loss in losses.values()] == [0, 0, 0]


def test_gradients_reach_the_student_alone():
    student, teacher, gt = scene()
    before = [field.detach().clone() for field in (*student, *teacher, gt.boxes)]
    sum(SoftDistillation.pure()(student, teacher, gt).values()).backward()
    selected = select_boxes(teacher.boxes, gt) > 0
    assert all(field.grad is None for field in teacher)
    assert student.cls.grad.ne(0).all()
    assert torch.equal(student.iou.grad != 0, selected)
    assert torch.equal(student.boxes.grad.ne(0).any(-1), selected)
    assert all(map(torch.equal, (*student, *teacher, gt.boxes), before))


@pytest.mark.parametrize("settings", [{"objects": 0}, {"ignore": True}, {"priors": 0}, {"objects": 0, "branch": False}])
def test_without_objects_only_the_class_term_is_left(settings):
    student, teacher, gt = scene(**settings)
    losses = SoftDistillation.solad()(student, teacher, gt)
    torch.testing.assert_close(losses["cls"], 2 * focal_kl(student.cls, teacher.cls).sum())
    assert losses["box"].item() == losses["iou"].item() == 0
    assert all(loss.shape == () for loss in losses.values())
    cls, *others = gradients(losses, student)
    assert cls.isfinite().all()
    assert cls.ne(0).all()
    assert all(g.count_nonzero() == 0 for g in others)


def test_the_normaliser_is_at_least_one():
    student, teacher, gt = scene(images=1, priors=1, objects=1)
    weight = select_boxes(teacher.boxes, gt)
    assert 0.5 < weight.item() < 1
    losses = SoftDistillation(box_weight=1.0)(student, teacher, gt)
    expected = weight[0, 0] * generalised_iou_loss(student.boxes, teacher.boxes)[0, 0]
    torch.testing.assert_close(losses["box"], expected)


def test_without_an_iou_branch_its_term_is_zero():
    student, teacher, gt = scene()
    full = SoftDistillation()(student, teacher, gt)
    bare = SoftDistillation()(student._replace(iou=None), teacher._replace(iou=None), gt)
    assert bare["iou"].item() == 0
    assert torch.equal(bare["cls"], full["cls"])
    assert torch.equal(bare["box"], full["box"])


def test_invalid_priors_take_part_in_nothing():
    student, teacher, gt = scene(priors=8)
    valid = torch.arange(8).expand(2, 8) < 5
    kept = [HeadOutputs(*(field.detach()[:, :5] for field in net)) for net in (student, teacher)]
    expected = SoftDistillation()(*kept, gt)
    assert SoftDistillation()(student, teacher, gt)["box"] != expected["box"]
    for broken in (False, True):
        for field in (*student, *teacher) if broken else ():
            field.data[:, 5:] = math.nan
        losses = SoftDistillation()(student, teacher, gt, valid=valid)
        torch.testing.assert_close(losses, expected)
        for gradient in gradients(losses, student):
            assert gradient.isfinite().all()
            assert gradient[:, 5:].count_nonzero() == 0


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_teacher_boxes_that_are_not_finite_are_left_out(bad):
    student, teacher, gt = scene()
    chosen = int(select_boxes(teacher.boxes, gt)[0].argmax())
    teacher.boxes.data[0, chosen, 2] = bad
    losses = SoftDistillation()(student, teacher, gt)
    assert all(loss.isfinite() for loss in losses.values())
    slopes = gradients(losses, student)
    assert all(slope.isfinite().all() for slope in slopes)
    assert slopes[1][0, chosen].count_nonzero() == 0
    assert slopes[2][0, chosen].item() == 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_equals_float32_of_the_same_numbers(dtype):
    student, teacher, gt = scene()
    half = [HeadOutputs(*(field.detach().to(dtype) for field in net)) for net in (student, teacher)]
    full = [HeadOutputs(*(field.float() for field in net)) for net in half]
    losses, expected = SoftDistillation()(*half, gt), SoftDistillation()(*full, gt)
    assert {loss.dtype for loss in losses.values()} == {torch.float32}
    assert losses == expected


def test_reduce_without_a_process_group_changes_nothing():
    student, teacher, gt = scene()
    assert SoftDistillation()(student, teacher, gt, reduce=True) == SoftDistillation()(student, teacher, gt)


# ------------------------------------------------------------------------------------------------ replicas


@pytest.fixture(scope="module")
def replicas(tmp_path_factory):
    """What two gloo processes compute on half of a batch each; the second half has no objects."""
    folder = tmp_path_factory.mktemp("replicas")
    root = str(Path(labelassign.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])}
    outputs = [folder / f"{rank}.pt" for rank in range(2)]
    commands = [
        [sys.executable, str(REPLICA), str(rank), "2", str(folder / "rendezvous"), str(output)]
        for rank, output in enumerate(outputs)
    ]
    started = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) for command in commands]
    try:
        errors = [process.communicate(timeout=240)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    assert [process.returncode for process in started] == [0, 0], "\n".join(errors)
    return [torch.load(output) for output in outputs]


@pytest.fixture(scope="module")
def together():
    """The same batch in this process."""
    script = {"__name__": "losses_replica"}
    exec(compile(REPLICA.read_text(), str(REPLICA), "exec"), script)
    return script


def test_the_mean_of_the_replicas_is_the_loss_of_the_whole_batch(replicas, together):
    losses, slopes = together["measure"](slice(0, 4))
    first, second = (replica["shared"] for replica in replicas)
    for name, expected in losses.items():
        torch.testing.assert_close((first[0][name] + second[0][name]) / 2, expected)
    for whole, a, b in zip(slopes, first[1], second[1], strict=True):
        torch.testing.assert_close(torch.cat([a, b]) / 2, whole)


def test_a_replica_without_objects_has_a_finite_loss(replicas):
    losses, slopes = replicas[1]["shared"]
    assert losses["box"].item() == losses["iou"].item() == 0
    assert 0 < losses["cls"].item() < replicas[1]["not reduced"][0]["cls"].item()
    assert all(slope.isfinite().all() for slope in slopes)


def test_a_group_of_one_and_no_reduction_are_local(replicas, together):
    for rank, replica in enumerate(replicas):
        expected, _ = together["measure"](slice(2 * rank, 2 * rank + 2))
        for name in ("alone", "not reduced"):
            torch.testing.assert_close(replica[name][0], expected)
