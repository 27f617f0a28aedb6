"""Localisation distillation: the differentiable GIoU loss, and which of the teacher's boxes it is taken over."""

import itertools
import math
from unittest.mock import patch

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torchvision.ops import box_iou, generalized_box_iou_loss

from labelassign.distill.losses import (
    generalised_iou_loss,
    localisation_distillation,
    select_boxes,
)
from labelassign.ops import blocks
from labelassign.structures import GroundTruth

NAN, INF = math.nan, math.inf


def random_boxes(*shape, dtype=torch.float32):
    start, size = torch.rand(2, *shape, 2, dtype=dtype)
    return torch.cat([start * 60, start * 60 + size * 40 + 1], -1)


def packed(*images, ignore=None, padding=0):
    """Ground truth of one list of boxes per image, with `padding` rows that would match anything at the end."""
    rows = [row for image in images for row in image]
    offsets = torch.tensor([0, *(len(image) for image in images)]).cumsum(0)
    boxes = torch.tensor(rows + [[0.0, 0, 10, 10]] * padding).reshape(-1, 4)
    flags = torch.tensor(list(ignore or [False] * len(rows)) + [False] * padding, dtype=torch.bool)
    return GroundTruth(boxes, torch.zeros(len(boxes), dtype=torch.int64), offsets, flags)


# ------------------------------------------------------------------------------------------------ generalised IoU


def test_generalised_iou_equals_torchvision():
    a, b = random_boxes(2, 500, dtype=torch.float64)
    a.requires_grad_()
    ours, theirs = generalised_iou_loss(a, b), generalized_box_iou_loss(a, b)
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)
    torch.testing.assert_close(
        torch.autograd.grad(ours.sum(), a)[0], torch.autograd.grad(theirs.sum(), a)[0], rtol=1e-6, atol=1e-6
    )


def test_generalised_iou_derivatives():
    overlapping, apart = [[0.0, 0, 4, 5], [1, 2, 6, 7]], [[0.0, 0, 1, 2], [3, 4, 6, 6]]
    nested, empty = [[0.0, 0, 9, 9], [2, 3, 5, 5]], [[1.0, 1, 1, 4], [3, 0, 6, 7]]
    a, b = torch.tensor([overlapping, apart, nested, empty], dtype=torch.float64).unbind(1)
    a[3, 2] = 1.5  # a box of exactly no area sits on a kink
    a.requires_grad_()
    b.requires_grad_()
    assert gradcheck(generalised_iou_loss, (a, b))
    assert gradgradcheck(generalised_iou_loss, (a, b))


HOSTILE = {
    "identical": ([2.0, 3, 7, 9], [2.0, 3, 7, 9], 0.0),
    "far apart": ([0.0, 0, 1, 1], [1e6, 1e6, 1e6 + 1, 1e6 + 1], 2.0),
    "touching": ([0.0, 0, 2, 2], [2.0, 0, 4, 2], 1.0),
    "student without area": ([3.0, 3, 3, 3], [2.0, 2, 4, 4], 1.0),
    "student without width": ([0.0, 0, 0, 4], [2.0, 0, 4, 4], 1.5),
    "teacher without area": ([2.0, 2, 4, 4], [3.0, 3, 3, 3], 1.0),
    "both the same line": ([1.0, 0, 1, 10], [1.0, 0, 1, 10], 1.0),
    "both the same point": ([1.0, 1, 1, 1], [1.0, 1, 1, 1], 1.0),
    "two points": ([1.0, 1, 1, 1], [5.0, 5, 5, 5], 2.0),
    "inverted student": ([4.0, 4, 2, 2], [0.0, 0, 5, 5], 1.0),
    "tiny": ([0.0, 0, 1e-5, 1e-5], [0.0, 0, 1e-5, 1e-5], 1.0),
    "huge": ([0.0, 0, 1e18, 1e18], [0.0, 0, 1e18, 1e18], 0.0),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_generalised_iou_of_hostile_boxes(name):
    first, second, expected = HOSTILE[name]
    a, b = torch.tensor([first, second]).requires_grad_().unbind()
    loss = generalised_iou_loss(a, b)
    assert loss.item() == pytest.approx(expected, abs=1e-5)
    for gradient in torch.autograd.grad(loss, (a, b)):
        assert gradient.isfinite().all()
        assert gradient.abs().max() <= 10


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_generalised_iou_of_half_precision_is_computed_in_float32(dtype):
    a, b = (random_boxes(2, 50) * 10).to(dtype)  # areas up to 160 000 overflow float16
    assert torch.equal(generalised_iou_loss(a, b), generalised_iou_loss(a.float(), b.float()))


def test_generalised_iou_of_broken_boxes_stays_visible():
    a, b = random_boxes(2, 8)
    a[range(4), range(4)] = NAN
    b[range(4, 8), range(4)] = NAN
    assert generalised_iou_loss(a, b).isnan().all()


coordinate = st.integers(-64, 64).map(lambda n: n / 8)
box = st.tuples(coordinate, coordinate, coordinate, coordinate)


@given(box, box, st.sampled_from([0.25, 4.0]), coordinate)
def test_generalised_iou_is_bounded_symmetric_and_blind_to_scale_and_place(a, b, scale, shift):
    a, b = (torch.tensor([min(x, u), min(y, v), max(x, u), max(y, v)]) for x, y, u, v in (a, b))
    loss = generalised_iou_loss(a, b)
    assert 0 <= loss.item() <= 2
    assert torch.equal(loss, generalised_iou_loss(b, a))
    assert torch.equal(loss, generalised_iou_loss(a * scale, b * scale))
    assert torch.equal(loss, generalised_iou_loss(a + shift, b + shift))
    has_area = bool((a[2:] > a[:2]).all())
    assert (loss.item() == 0) == (has_area and torch.equal(a, b))


# ------------------------------------------------------------------------------------------------ the loss over a batch


def test_localisation_distillation_is_a_weighted_sum():
    student, teacher, weight = random_boxes(2, 30), random_boxes(2, 30), torch.rand(2, 30)
    expected = (generalized_box_iou_loss(student, teacher) * weight).sum() / 7
    torch.testing.assert_close(localisation_distillation(student, teacher, weight, 7.0), expected)
    torch.testing.assert_close(localisation_distillation(student, teacher, weight, torch.tensor(7.0)), expected)


def test_boxes_of_weight_zero_are_not_looked_at():
    student, teacher, weight = random_boxes(1, 4), random_boxes(1, 4), torch.tensor([[0.6, 0.0, 0.0, 0.9]])
    expected = localisation_distillation(student[:, [0, 3]], teacher[:, [0, 3]], weight[:, [0, 3]], 1.5)
    student[0, 1], teacher[0, 2] = NAN, INF
    student.requires_grad_()
    teacher.requires_grad_()
    loss = localisation_distillation(student, teacher, weight, 1.5)
    loss.backward()
    torch.testing.assert_close(loss, expected)
    assert teacher.grad is None
    assert student.grad.isfinite().all()
    assert student.grad.abs().amax(-1).gt(0).tolist() == [[True, False, False, True]]


@pytest.mark.parametrize("shape", [(2, 5), (2, 0), (0, 5)])
def test_nothing_selected_is_a_differentiable_zero(shape):
    student = random_boxes(*shape).requires_grad_()
    loss = localisation_distillation(student, random_boxes(*shape), torch.zeros(shape), 1.0)
    loss.backward()
    assert loss.shape == ()
    assert loss.item() == 0
    assert student.grad.count_nonzero() == 0


# ------------------------------------------------------------------------------------------------ selection


def one_by_one(teacher, gt, min_iou):
    """The definition, with a loop over images and boxes."""
    weight = torch.zeros(teacher.shape[:2])
    bounds = gt.offsets.tolist()
    for i, boxes in enumerate(teacher):
        rows = [r for r in range(bounds[i], bounds[i + 1]) if not gt.ignore[r]]
        for j, one in enumerate(boxes):
            best = max((box_iou(one[None], gt.boxes[r][None]).item() for r in rows), default=0.0)
            weight[i, j] = best if best > min_iou else 0.0
    return weight


@given(st.data())
def test_selection_equals_the_definition(data):
    seed = data.draw(st.integers(0, 2**20))
    torch.manual_seed(seed)
    counts = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=4))
    padding = data.draw(st.integers(0, 3))
    min_iou = data.draw(st.sampled_from([0.0, 0.1, 0.5, 0.9]))
    rows = sum(counts)
    boxes = torch.cat([random_boxes(rows), random_boxes(padding)])
    ignore = torch.rand(rows + padding) < 0.3
    labels = torch.zeros(rows + padding, dtype=torch.int64)
    gt = GroundTruth(boxes, labels, torch.tensor([0, *counts]).cumsum(0), ignore)
    teacher = random_boxes(len(counts), 6)
    if len(boxes):  # near copies of objects of any image, so that high overlaps and other images' objects occur
        copies = torch.randint(len(boxes), (len(counts), 3))
        teacher[:, :3] = boxes[copies] + torch.rand(len(counts), 3, 4)
    expected = one_by_one(teacher, gt, min_iou)
    assert torch.equal(select_boxes(teacher, gt, min_iou=min_iou), expected)
    with patch.object(blocks, "PAIRS_PER_BLOCK", 1):
        assert torch.equal(select_boxes(teacher, gt, min_iou=min_iou), expected)


def test_the_threshold_is_strict():
    gt = packed([[0.0, 0, 4, 4]])
    teacher = torch.tensor([[[0.0, 0, 4, 2], [0, 0, 4, 2.5], [0, 0, 4, 4]]])
    assert select_boxes(teacher, gt).tolist() == [[0, 0.625, 1]]
    assert select_boxes(teacher, gt, min_iou=0.625).tolist() == [[0, 0, 1]]


def test_only_real_objects_of_the_own_image_count():
    there = [0.0, 0, 10, 10]
    teacher = torch.tensor([[there]] * 4)
    gt = packed([], [there], [there, [0.0, 0, 10, 6]], [], ignore=[False, True, False], padding=2)
    assert select_boxes(teacher, gt).flatten().tolist() == pytest.approx([0, 1, 0.6, 0])
    assert select_boxes(teacher, packed([], [], [], [])).count_nonzero() == 0
    assert select_boxes(teacher, packed([], [], [], [], padding=3)).count_nonzero() == 0
    assert select_boxes(teacher[:, :0], gt).shape == (4, 0)


def test_boxes_that_are_not_finite_get_nothing_and_harm_nobody():
    good, point, inverted = [0.0, 0, 4, 4], [3.0, 3, 3, 3], [4.0, 4, 0, 0]
    broken = [list(corners) for corners in itertools.product((0.0, NAN, INF, -INF), repeat=4)][1:]
    gt = packed([*broken, good, point, inverted])
    teacher = torch.tensor([[*broken, good, point, inverted]])
    for min_iou in (0.0, 0.5):
        assert select_boxes(teacher, gt, min_iou=min_iou).tolist() == [[0] * len(broken) + [1, 0, 0]]


def test_selection_is_a_constant_float32_and_modifies_nothing():
    gt = packed([[0.0, 0, 4, 4]])
    for dtype in (torch.float16, torch.float32, torch.float64):
        teacher = torch.tensor([[[0.0, 0, 4, 3]]], dtype=dtype, requires_grad=True)
        weight = select_boxes(teacher, gt)
        assert weight.dtype == torch.float32
        assert not weight.requires_grad
        assert weight.tolist() == [[0.75]]
    assert gt.boxes.tolist() == [[0, 0, 4, 4]]
    assert gt.offsets.tolist() == [0, 1]


def test_padding_rows_change_nothing():
    box = torch.tensor([[8.0, 8, 24, 40]])
    gt = GroundTruth.from_list([{"boxes": box, "labels": [3]}, {"boxes": box[:0], "labels": []}])
    teacher = box.expand(2, 1, 4)
    assert select_boxes(teacher, gt).tolist() == select_boxes(teacher, gt.pad_to(5)).tolist() == [[1], [0]]
