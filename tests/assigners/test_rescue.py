"""Golden facts of the rescue, and what it does in crowds, against objects served one by one."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import labelassign as la
from labelassign import IGNORE, Reason
from labelassign.ops.rescue.reference import _served
from labelassign.testing import Scene, invent
from tests.laws import wrappers
from tests.scenes import grid, ground_truth, predictions

ROW = la.Priors.from_boxes([[16.0 * i, 0, 16.0 * i + 16, 16] for i in range(6)], strides=[16] * 6)


class Given(la.Assigner):
    """Answers what it was made with."""

    ignore_iof = None

    def __init__(self, index, quality=None):
        self.index = torch.tensor([index])
        self.quality = torch.tensor([quality]) if quality else (self.index >= 0).float()

    def _assign(self, priors, gt, predictions, teacher, step):
        return la.Draft(self.index, self.quality, torch.full((gt.num_rows,), Reason.REJECTED.value, dtype=torch.int8))


def objects(*boxes, ignore=None):
    flags = ignore or [False] * len(boxes)
    return la.GroundTruth.from_list([{"boxes": list(boxes), "labels": [0] * len(boxes), "ignore": flags}])


def test_the_highest_overlap_is_taken_with_full_weights():
    a = la.Rescue(Given([-1] * 6))(ROW, objects([20.0, 4, 42, 12]))
    assert a.gt_index[0].tolist() == [-1, 0, -1, -1, -1, -1]
    assert a.quality[0, 1] == la.geometry.paired_iou(ROW.boxes[1], torch.tensor([20.0, 4, 42, 12]))
    assert [float(t[0, 1]) for t in (a.cls_target, a.cls_weight, a.loc_weight)] == [1, 1, 1]
    assert a.reasons == ["RESCUED"]
    assert a.diagnostics["rescued"].tolist() == [1]


def test_without_overlap_the_nearest_centre_in_strides_is_taken():
    """The point of stride 8 is nearer in pixels, that of stride 32 in strides; without strides it is the first."""
    boxes, gt = torch.tensor([[0.0, 20, 0, 20], [0.0, -40, 0, -40]]), objects([-2.0, -2, 2, 2])
    for strides, owner in (([8.0, 32.0], 1), (None, 0)):
        a = la.Rescue(Given([-1, -1]))(la.Priors.from_boxes(boxes, strides=strides), gt)
        assert a.positive[0].nonzero().flatten().tolist() == [owner]
        assert a.quality.sum() == 0


def test_equal_priors_are_taken_from_the_lowest_index_on():
    same = la.Priors.from_boxes([[0.0, 0, 16, 16]] * 50)
    a = la.Rescue(Given([-1] * 50), 3, candidates=3)(same, objects([4.0, 4, 8, 8]))
    assert a.positive[0].nonzero().flatten().tolist() == [0, 1, 2]


def test_nobody_loses_what_it_needs_itself():
    """Row 0 owns three priors and gives its worst two away, never its best; row 1 is the second one in need."""
    wide, needy = [0.0, 0, 48, 16], [16.0, 0, 18, 16]
    before = Given([0, 0, 0, -1, -1, -1], [0.5, 0.9, 0.7, 0.0, 0.0, 0.0])
    a = la.Rescue(before)(ROW, objects(wide, needy))
    assert a.gt_index[0].tolist() == [1, 0, 0, -1, -1, -1]  # the best overlap, prior 1, is row 0's for ever
    a = la.Rescue(before, 2)(ROW, objects(wide, needy))
    assert a.gt_index[0].tolist() == [1, 0, 0, 1, -1, -1]
    assert a.reasons == ["FINE", "RESCUED"]


def test_of_equal_qualities_the_lower_prior_stays():
    a = la.Rescue(Given([0, 0, 0, -1, -1, -1]))(ROW, objects([0.0, 0, 48, 16], [0.0, 0, 40, 16]))
    assert a.gt_index[0].tolist() == [0, 1, 0, -1, -1, -1]


def test_an_object_that_has_some_keeps_them_and_its_reason():
    a = la.Rescue(Given([-1, 0, -1, -1, -1, -1]), 3)(ROW, objects([16.0, 0, 32, 16]))
    assert a.gt_index[0].tolist() == [0, 0, 0, -1, -1, -1]
    assert (a.reasons, a.diagnostics["rescued"].tolist()) == (["FINE"], [2])


def test_ignored_priors_may_be_taken_invalid_ones_never():
    gt = objects([16.0, 0, 32, 16], [0.0, 0, 96, 16], ignore=[False, True])
    a = la.Rescue(Given([IGNORE] * 6))(ROW, gt)
    assert a.gt_index[0].tolist() == [-2, 0, -2, -2, -2, -2]
    valid = torch.tensor([[True, False, True, True, True, True]])
    a = la.Rescue(Given([-1] * 6))(replace(ROW, valid=valid), gt)
    assert a.gt_index[0].tolist() == [0, -2, -1, -1, -1, -1]
    a = la.Rescue(Given([-1] * 6))(replace(ROW, valid=valid & False), gt)
    assert a.reasons == ["REJECTED", "IGNORED"]


def test_a_prior_whose_prediction_is_not_finite_is_passed_over_where_predictions_count():
    gt, p = objects([16.0, 0, 32, 16]), predictions(ROW, 1)
    scores = p.scores.clone()
    scores[0, 1, 3] = float("nan")
    bad = replace(p, scores=scores, boxes=p.boxes * 0 - 1e3)
    assert la.Rescue(la.TaskAligned())(ROW, gt, bad).gt_index[0].tolist() == [0, -1, -1, -1, -1, -1]
    assert la.Rescue(la.LAD(la.TaskAligned()))(ROW, gt, p, teacher=bad).gt_index[0, 0] == 0
    alone = la.Rescue(Given([-1] * 6))(ROW, gt, bad)  # needs none
    assert alone.gt_index[0, 1] == 0
    both = la.Rescue(la.CoLAD(la.TaskAligned(topk=1)))  # either network may vouch for it
    far = replace(p, boxes=bad.boxes)
    assert both(ROW, gt, bad, teacher=far).gt_index[0, 1] == 0
    assert both(ROW, gt, bad, teacher=bad).gt_index[0].tolist() == [0, -1, -1, -1, -1, -1]


def test_more_is_asked_for_than_there_are_priors():
    a = la.Rescue(Given([IGNORE, 0]), 5)(la.Priors.from_boxes(ROW.boxes[:2]), objects([16.0, 0, 32, 16]))
    assert a.gt_index[0].tolist() == [0, 0]


def test_lower_rows_choose_first():
    a = la.Rescue(Given([-1] * 6))(ROW, objects(*[[20.0, 4, 26, 12]] * 3))
    assert a.gt_index[0].tolist() == [1, 0, 2, -1, -1, -1]


@given(st.integers(0, 2**31), st.integers(1, 4), st.sampled_from([1, 4, 9, 40]), st.sampled_from([5.0, 40.0]))
def test_crowds_are_served_as_if_one_by_one(seed, least, candidates, spread):
    random = torch.Generator().manual_seed(seed)
    priors = la.Priors.points(image_size=(64, 64), strides=(8, 16))
    middle = (32 + spread * torch.randn(2, 30, 2, generator=random)).round()
    boxes = torch.cat([middle - 1, middle + 1], -1)
    gt = la.GroundTruth.from_padded(boxes, torch.zeros(2, 30).long(), torch.tensor([30, 12]))
    rescue = la.Rescue(la.ATSS(topk=2), least, max(least, candidates))
    scene = Scene(priors, gt, *(invent(priors, 2, 3, seed=i) for i in (1, 2)))
    wrappers.rescue_condition(rescue, scene, scene.assign(rescue))


@given(
    st.integers(0, 2**31),
    st.integers(1, 3),
    st.sampled_from([3, 9, 40]),
    st.sampled_from([la.MaxIoU(low_quality="off"), la.ATSS(topk=2), la.TaskAligned(topk=2)]),
    st.booleans(),
)
def test_crowds_of_rotated_objects_are_served_as_if_one_by_one(seed, least, candidates, inner, upright):
    random = torch.Generator().manual_seed(seed)
    priors = la.Priors.grid(image_size=(64, 64), strides=(8, 16), scale=2)
    middle, sides = 32 + 15 * torch.randn(2, 20, 2, generator=random), 1 + 9 * torch.rand(2, 20, 2, generator=random)
    boxes = torch.cat([middle, sides, 3 * torch.randn(2, 20, 1, generator=random)], -1)
    gt = la.GroundTruth.from_padded(boxes, torch.zeros(2, 20).long(), torch.tensor([20, 9]))
    networks = [invent(priors, 2, 3, seed=i) for i in (1, 2)]
    turned = [replace(p, boxes=la.geometry.as_rotated(p.boxes)) for p in networks]
    own = (
        priors
        if upright
        else replace(priors, boxes=la.geometry.as_rotated(priors.boxes) + torch.tensor([0.0] * 4 + [0.3]))
    )
    rescue, scene = la.Rescue(inner, least, candidates), Scene(own, gt, *turned)
    wrappers.rescue_condition(rescue, scene, scene.assign(rescue))


def test_the_rotated_box_itself_is_overlapped():
    """A thin object along the diagonal of three priors touches none of the two that only the box around it touches."""
    corners = [[0.0, 0], [16, 16], [32, 32], [0, 32], [32, 0]]
    priors = la.Priors.from_boxes([[x, y, x + 16, y + 16] for x, y in corners], strides=[16] * 5)
    gt = objects([24.0, 24, 60, 2, torch.pi / 4])
    for least, owned in ((1, [1]), (3, [0, 1, 2]), (4, [0, 1, 2, 3])):
        a = la.Rescue(la.MaxIoU(low_quality="off"), least)(priors, gt)
        assert a.positive[0].nonzero().flatten().tolist() == owned
        iou = la.geometry.rotated_iou(priors.boxes, gt.boxes)
        assert torch.equal(a.quality[0, owned], iou[owned])
        assert (iou[owned] > 0).tolist() == [n < 3 for n in owned]
        assert a.reasons == ["RESCUED"]


@pytest.mark.parametrize("inner", [la.ATSS(), la.MaxIoU(low_quality="off"), la.TaskAligned(topk=2)], ids=repr)
def test_angle_0_is_upright(inner):
    """But for the rounding of overlaps, which may order two priors that are equally good."""
    for seed in range(4):
        priors, gt, p = grid(), ground_truth((9, 0, 12), seed=seed), predictions(grid(), seed=seed)
        turned = [replace(r, boxes=la.geometry.as_rotated(r.boxes)) for r in (priors, gt, p)]
        want, got = la.Rescue(inner, 2)(priors, gt, p), la.Rescue(inner, 2)(*turned)
        assert (got.gt_index != want.gt_index).sum() <= 4
        assert torch.equal(got.reason, want.reason)
        assert int(got.per_gt_count.min()) >= 2


def chain(rows):
    """Row 1 wants what row 0 has and then what row 2 wants, and so on."""
    number = torch.arange(rows)
    lists = torch.stack([(number - 1).clamp(min=0), number], 1)
    able = torch.ones_like(lists, dtype=torch.bool)
    able[0, 1] = False  # both of row 0 are one prior
    return lists, able, torch.ones(rows, dtype=torch.int64), rows


@pytest.mark.parametrize("rows", [2, 64])
def test_rounds_settle_chains_as_long_as_they_are_many(rows):
    won = _served(*chain(rows), 64)
    assert won.sum(1).tolist() == [1] * rows
    assert torch.equal(won, _served(*chain(rows), 10_000))


def test_beyond_them_one_object_goes_without():
    won = _served(*chain(200), 64)
    assert won.sum() == 199
    assert _served(*chain(200), 10_000).sum() == 200


def test_twenty_thousand_objects_make_no_matrix():
    """Every prior finds an owner, in blocks; [N, G] would have 32 million entries."""
    priors = la.Priors.points(image_size=(320, 320), strides=(8,))
    corner = torch.rand(20_000, 2, generator=torch.Generator().manual_seed(0)) * 319
    gt = la.GroundTruth.from_list([{"boxes": torch.cat([corner, corner + 1], 1), "labels": [0] * 20_000}])
    a = la.Rescue(la.ATSS())(priors, gt)
    assert a.positive.all()
    assert np.array_equal(a.per_gt_count > 0, (a.reason == Reason.FINE) | (a.reason == Reason.RESCUED))


@pytest.mark.parametrize("inner", [la.ATSS(), la.PAA(), la.CoLAD(la.PAA()), la.SimOTA(), la.FCOS(), la.Uniform()])
def test_over_any_assigner_every_object_has_a_prior(inner):
    priors = grid()
    for seed in range(4):
        gt, p = ground_truth((9, 0, 30), seed=seed), predictions(priors, seed=seed)
        a = la.Rescue(inner, 2)(priors, gt, p, teacher=p)
        assert int(a.per_gt_count.min()) >= 2
        assert set(inner(priors, gt, p, teacher=p).diagnostics) <= set(a.diagnostics)


def test_what_cannot_be_rescued_is_refused():
    with pytest.raises(ValueError, match=r"Rescue: expected priors with a place in the image, got queries\. Hungarian"):
        la.Rescue(la.Hungarian())(la.Priors.queries(6), objects([0.0, 0, 8, 8]), predictions(ROW, 1))
    turned = replace(objects([0.0, 0, 8, 8]), boxes=torch.tensor([[4.0, 4, 8, 8, 0.5]]))
    with pytest.raises(ValueError, match=r"Rescue: expected upright boxes.*MaxIoU, ATSS and TaskAligned take rotated"):
        la.Rescue(la.PAA())(ROW, turned, predictions(ROW, 1))
    with pytest.raises(ValueError, match=r"`candidates` >= `min_positives` \(9\), got 4"):
        la.Rescue(la.ATSS(), 9, 4)
    with pytest.raises(ValueError, match="`min_positives` > 0, got 0"):
        la.Rescue(la.ATSS(), 0)
    with pytest.raises(TypeError, match=r"CostAssigner|Type-check"):
        la.LAD(la.Rescue(la.PAA()))
