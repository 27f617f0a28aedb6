"""The element-wise losses: published values, stability, derivatives, and what weights and teachers may not do."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck, gradgradcheck
from torchvision.ops import sigmoid_focal_loss

from labelassign.distill.losses import focal_kl, soft_l1, soft_l2

GAMMAS = (0.0, 0.5, 1.0, 2.0, 3.0)
LOSSES = (focal_kl, soft_l1, soft_l2)
logit = st.floats(-30, 30, width=32)


def by_hand(p, t, gamma, smooth):
    """Equation 1 for one number, in Python's float64."""
    first = t * math.log(t / p) if t > 0 else 0.0
    second = (1 - t) * math.log((1 - t) / (1 - p)) if t < 1 else 0.0
    return (first + second) * ((t - p) ** 2 + smooth) ** (gamma / 2)


def with_gradient(loss, student, *args, **options):
    student = student.clone().requires_grad_()
    value = loss(student, *args, **options)
    (gradient,) = torch.autograd.grad(value.sum(), student)
    return value.detach(), gradient


def float64(*values):
    return torch.tensor(values, dtype=torch.float64)


# ------------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize(
    ("t", "gamma", "smooth", "expected"),
    [(0.9, 0.5, 1e-6, 0.61515), (0.9, 2.0, 1e-6, 0.28590), (0.0, 2.0, 1e-6, 0.0321011), (0.0, 2.0, 0.0, 0.0321007)],
)
def test_published_values(t, gamma, smooth, expected):
    student, teacher = float64(0.3).logit(), float64(t)
    value = focal_kl(student, teacher, teacher_is="probs", gamma=gamma, smooth=smooth).item()
    assert value == pytest.approx(expected, abs=5e-6 if expected > 0.1 else 5e-8)
    assert value == pytest.approx(by_hand(0.3, t, gamma, smooth), rel=1e-12)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_all_forms_of_the_input_agree_with_the_equation(gamma):
    p, t = torch.rand(2, 50, dtype=torch.float64).mul(0.99).add(0.005)
    expected = float64(*(by_hand(a, b, gamma, 1e-6) for a, b in zip(p.tolist(), t.tolist(), strict=True)))
    forms = [
        focal_kl(p.logit(), t.logit(), gamma=gamma),
        focal_kl(p.logit(), t, teacher_is="probs", gamma=gamma),
        focal_kl(p, t, inputs="probs", gamma=gamma),
        focal_kl(p, t.logit(), inputs="probs", teacher_is="logits", gamma=gamma),
    ]
    for value in forms:
        torch.testing.assert_close(value, expected, rtol=1e-9, atol=1e-14)
    torch.testing.assert_close(focal_kl(p.float(), t.float(), inputs="probs", gamma=gamma), expected.float())


@pytest.mark.parametrize("teacher_is", ["probs", "logits"])
def test_probabilities_are_clamped_for_both_networks(teacher_is):
    def teacher(*p):
        return float64(*p) if teacher_is == "probs" else float64(*p).logit()

    far = focal_kl(float64(0), teacher(1), inputs="probs", teacher_is=teacher_is).item()
    assert far == pytest.approx(by_hand(1e-4, 0.9999, 0.5, 1e-6))
    outside = focal_kl(float64(0, 1, 0.2), teacher(1, 0, 1), inputs="probs", teacher_is=teacher_is)
    inside = focal_kl(float64(1e-4, 0.9999, 0.2), teacher(0.9999, 1e-4, 0.9999), inputs="probs", teacher_is=teacher_is)
    torch.testing.assert_close(outside, inside)
    equal, gradient = with_gradient(focal_kl, float64(0, 1), teacher(0, 1), inputs="probs", teacher_is=teacher_is)
    assert equal.tolist() == [0, 0]
    assert gradient.tolist() == [0, 0]


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_hot_teacher_gives_the_focal_loss(gamma, dtype):
    student = torch.cat([torch.randn(200, dtype=dtype) * 8, torch.tensor([-200.0, 200.0, 0.0], dtype=dtype).repeat(2)])
    target = torch.cat([(torch.rand(200) < 0.5).to(dtype), torch.tensor([0.0, 0, 0, 1, 1, 1], dtype=dtype)])
    value, gradient = with_gradient(focal_kl, student, target, teacher_is="probs", gamma=gamma, smooth=0.0)
    plain, slope = with_gradient(sigmoid_focal_loss, student, target, alpha=-1, gamma=gamma)
    # in float32 torchvision's cross entropy rounds to multiples of about 1e-7 beside a large logit
    tight = 1e-12 if dtype == torch.float64 else 1e-6
    torch.testing.assert_close(value, plain, atol=tight, rtol=tight * 10)
    # torchvision's own slope is 0 · inf where 1 - p rounds to 0 and gamma < 1
    known = slope.isfinite()
    assert known.sum() > 190
    torch.testing.assert_close(gradient[known], slope[known], atol=tight, rtol=tight * 10)
    assert gradient.isfinite().all()


def test_distances_are_those_of_the_probabilities():
    p, t = torch.rand(2, 40, dtype=torch.float64)
    for loss, expected in ((soft_l1, (p - t).abs()), (soft_l2, (p - t) ** 2)):
        torch.testing.assert_close(loss(p, t, inputs="probs"), expected)
        torch.testing.assert_close(loss(p.logit(), t.logit()), expected)
        torch.testing.assert_close(loss(p.logit(), t, teacher_is="probs"), expected)
        torch.testing.assert_close(loss(p, t.logit(), inputs="probs", teacher_is="logits"), expected)


# ------------------------------------------------------------------------------------------------ stability


@pytest.mark.parametrize(("gamma", "smooth"), list(itertools.product(GAMMAS, (0.0, 1e-6))))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_extreme_logits_give_finite_values_and_slopes(gamma, smooth, dtype):
    extremes = torch.tensor([-200.0, -90, -20, -1, 0, 1, 20, 90, 200], dtype=dtype)
    student, teacher = torch.cartesian_prod(extremes, extremes).unbind(1)
    value, gradient = with_gradient(focal_kl, student, teacher, gamma=gamma, smooth=smooth)
    assert value.isfinite().all()
    assert gradient.isfinite().all()
    assert (value >= 0).all()
    # far on the wrong side the loss is the logit itself and the slope stays 1: no vanishing gradient
    opposite = (student * teacher < 0) & (student.abs() >= 90) & (teacher.abs() >= 20)
    assert opposite.sum() == 12
    torch.testing.assert_close(value[opposite], student[opposite].abs().float(), rtol=1e-5, atol=0)
    torch.testing.assert_close(gradient[opposite], student[opposite].sign(), rtol=1e-5, atol=0)
    same = student == teacher
    assert value[same].count_nonzero() == 0
    assert gradient[same].abs().max() <= 1e-7


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize(("form", "low", "high"), [("probs", 0.0, 1.0), ("logits", -math.inf, math.inf)])
def test_certain_teachers_are_exact(gamma, form, low, high):
    student = torch.tensor([-200.0, 0, 200]).repeat(2)
    teacher = torch.tensor([low] * 3 + [high] * 3)
    value, gradient = with_gradient(focal_kl, student, teacher, teacher_is=form, gamma=gamma)
    half = math.log(2) * (0.25 + 1e-6) ** (gamma / 2)
    torch.testing.assert_close(value, torch.tensor([0.0, half, 200, 200, half, 0]), rtol=1e-5, atol=0)
    assert gradient.isfinite().all()
    assert gradient[[0, 2, 3, 5]].tolist() == pytest.approx([0, 1, -1, 0], abs=2e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_broken_student_stays_visible(loss):
    value = loss(torch.tensor([math.nan, 0.0]), torch.tensor([1.0, 0.0]))
    assert value.isnan().tolist() == [True, False]


# ------------------------------------------------------------------------------------------------ derivatives


@pytest.mark.parametrize("gamma", GAMMAS)
@pytest.mark.parametrize(("inputs", "teacher_is"), list(itertools.product(("logits", "probs"), repeat=2)))
def test_derivatives_to_second_order_equality_included(gamma, inputs, teacher_is):
    p = float64(0.2, 0.5, 0.9, 0.3, 0.65, 0.03)
    t = float64(0.2, 0.5, 0.9, 0.31, 0.1, 0.97)
    student = (p.logit() if inputs == "logits" else p).requires_grad_()
    teacher = t.logit() if teacher_is == "logits" else t

    def loss(x):
        return focal_kl(x, teacher, gamma=gamma, inputs=inputs, teacher_is=teacher_is)

    assert gradcheck(loss, (student,))
    assert gradgradcheck(loss, (student,))


@pytest.mark.parametrize("inputs", ["logits", "probs"])
def test_derivatives_of_the_distances(inputs):
    student, teacher = float64(0.2, 0.9, 0.4).requires_grad_(), float64(0.3, 0.1, 0.8)
    assert gradcheck(lambda x: soft_l1(x, teacher, inputs=inputs), (student,))
    assert gradgradcheck(lambda x: soft_l2(x, teacher, inputs=inputs), (student,))
    for loss in (soft_l1, soft_l2):
        assert with_gradient(loss, teacher, teacher, inputs=inputs)[1].tolist() == [0, 0, 0]


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_without_smoothing_the_curvature_at_equality_is_that_of_the_equation(gamma):
    student = float64(-1.0, 0.0, 3.0).requires_grad_()
    value = focal_kl(student, student, gamma=gamma, smooth=0.0)
    (slope,) = torch.autograd.grad(value.sum(), student, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.sum(), student)
    assert slope.tolist() == curvature.tolist() == [0, 0, 0]  # |t - p|^(2 + gamma) is flat there


def test_the_gradient_flows_through_the_focal_factor():
    student, teacher = float64(-1.0), float64(0.9)
    value, gradient = with_gradient(focal_kl, student, teacher, teacher_is="probs", gamma=2.0)
    frozen = (0.9 - student.sigmoid()) ** 2 + 1e-6
    _, plain = with_gradient(focal_kl, student, teacher, teacher_is="probs", gamma=0.0)
    assert value.item() > 0
    assert gradient.item() < (frozen * plain).item() - 0.1


@pytest.mark.parametrize("loss", LOSSES)
def test_the_teacher_receives_no_gradient_and_nothing_is_modified(loss):
    student, teacher = torch.randn(3, 4, requires_grad=True), torch.randn(3, 4, requires_grad=True)
    weight = torch.tensor([[1.0], [0.0], [2.0]])
    before = [x.detach().clone() for x in (student, teacher, weight)]
    loss(student, teacher, weight=weight, reduction="sum").backward()
    assert teacher.grad is None
    assert student.grad is not None
    assert all(torch.equal(x, y) for x, y in zip((student, teacher, weight), before, strict=True))


# ------------------------------------------------------------------------------------- dtype, weight, reduction


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(loss, dtype):
    student, teacher = (torch.randn(2, 300) * 5).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value, gradient = with_gradient(loss, student, teacher)
    expected, slope = with_gradient(loss, student.float(), teacher.float())
    assert value.dtype == torch.float32
    assert torch.equal(value, expected)
    assert torch.equal(gradient, slope.to(dtype))
    assert loss(student, teacher.double()).dtype == torch.float64


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("inputs", ["logits", "probs"])
def test_weights_multiply_and_zero_hides_everything(loss, inputs):
    student, teacher = torch.rand(2, 4, 3)
    weight = torch.tensor([2.0, 0.0, 0.5, 0.0])[:, None]
    expected, slope = (x * weight for x in with_gradient(loss, student, teacher, inputs=inputs))
    broken, strange = student.clone(), teacher.clone()
    broken[1], strange[3] = math.nan, math.inf
    value, gradient = with_gradient(loss, broken, strange, inputs=inputs, weight=weight)
    torch.testing.assert_close(value, expected)
    torch.testing.assert_close(gradient, slope)
    kept = loss(broken, strange, inputs=inputs, weight=weight > 0)
    assert kept[[1, 3]].count_nonzero() == 0
    assert torch.equal(kept[[0, 2]], loss(student, teacher, inputs=inputs)[[0, 2]])


@pytest.mark.parametrize("loss", LOSSES)
def test_reductions(loss):
    student, teacher = torch.randn(2, 6, 5)
    weight = torch.rand(5)
    each = loss(student, teacher, weight=weight, reduction="none")
    torch.testing.assert_close(loss(student, teacher, weight=weight, reduction="sum"), each.sum())
    torch.testing.assert_close(loss(student, teacher, weight=weight, reduction="mean"), each.mean())
    assert torch.equal(loss(student, teacher, weight=weight), each)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_the_reduction_of_nothing_is_zero(loss, reduction):
    value, gradient = with_gradient(loss, torch.zeros(2, 0, 3), torch.zeros(2, 0, 3), reduction=reduction)
    assert value.item() == 0
    assert gradient.shape == (2, 0, 3)


# ------------------------------------------------------------------------------------------------ properties


@given(logit, logit, st.sampled_from(GAMMAS), st.sampled_from([0.0, 1e-6]))
def test_never_negative_and_pulls_towards_the_teacher(s, t, gamma, smooth):
    student, teacher = float64(s), float64(t)
    value, gradient = with_gradient(focal_kl, student, teacher, gamma=gamma, smooth=smooth)
    single = focal_kl(student.float(), teacher.float(), gamma=gamma, smooth=smooth)
    assert value.item() >= 0
    assert single.item() >= 0
    gap = (student.sigmoid() - teacher.sigmoid()).item()
    if s == t:
        assert value.item() == single.item() == 0
        assert abs(gradient.item()) <= 1e-16
    elif abs(gap) > 1e-6:
        assert value.item() > 0
        assert gradient.item() * gap > 0


@given(logit, logit, st.sampled_from(GAMMAS))
def test_naming_the_classes_the_other_way_round_changes_nothing(s, t, gamma):
    a = focal_kl(float64(s), float64(t), gamma=gamma)
    torch.testing.assert_close(a, focal_kl(float64(-s), float64(-t), gamma=gamma), rtol=1e-7, atol=1e-13)
    # in float32 too, where 1 - sigmoid(20) would be 0
    student, teacher = torch.tensor([[s, -s], [t, -t]], dtype=torch.float32)
    one, other = focal_kl(student, teacher, gamma=gamma).unbind()
    torch.testing.assert_close(one, other, rtol=1e-3, atol=0.0)


@given(st.floats(0, 1), st.floats(0, 1))
def test_distances_are_symmetric_and_bounded(p, t):
    p, t = float64(p), float64(t)
    for loss in (soft_l1, soft_l2):
        value = loss(p, t, inputs="probs")
        assert torch.equal(value, loss(t, p, inputs="probs"))
        assert 0 <= value.item() <= 1
        assert (value.item() == 0) == ((p - t).square().item() == 0 if loss is soft_l2 else p.item() == t.item())


def test_the_divergence_is_not_symmetric():
    a, b = focal_kl(float64(0.9, 0.5), float64(0.5, 0.9), inputs="probs", gamma=0.0).tolist()
    assert (a, b) == pytest.approx((by_hand(0.9, 0.5, 0, 0), by_hand(0.5, 0.9, 0, 0)))
    assert a > b + 0.1
