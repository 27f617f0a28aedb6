"""Uniform matching on priors that can be checked by hand or by NumPy."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import labelassign as la
from tests.scenes import grid, ground_truth, predictions

# squares of 20 pixels side by side
ROW = la.Priors.from_boxes([[x, 0, x + 20, 20] for x in range(0, 200, 20)])


def one(*boxes, **fields):
    return la.GroundTruth.from_list([{"boxes": list(boxes), "labels": [0] * len(boxes), **fields}])


def seen(boxes, **fields):
    """Predictions that are these boxes, of one image."""
    boxes = torch.as_tensor(boxes)
    return la.Predictions(boxes[None].clone(), torch.zeros(1, len(boxes), 3), **fields)


def far_off(priors=ROW):
    """Predictions that are all equally far from any object, so that the first priors are taken."""
    return seen(torch.tensor([[900.0, 900, 920, 920]]).repeat(priors.count, 1))


def form(boxes):
    return np.concatenate([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)


@pytest.mark.parametrize("seed", range(4))
def test_single_objects_follow_the_definition(seed):
    priors, gt = grid(), ground_truth((1,), seed=seed)
    p = predictions(priors, 1, seed=seed)
    a = la.Uniform(match_times=3)(priors, gt, p)
    box, anchors, boxes = (t.double().numpy() for t in (gt.boxes, priors.boxes, p.boxes[0]))
    taken = {int(n) for at in (anchors, boxes) for n in np.abs(form(at) - form(box)).sum(1).argsort(kind="stable")[:3]}
    iou = la.geometry.pairwise_iou(priors.boxes, gt.boxes)[:, 0]
    kept = {n for n in taken if iou[n] >= 0.15}
    assert set(a.positive[0].nonzero()[:, 0].tolist()) == kept
    busy = la.geometry.pairwise_iou(p.boxes[0], gt.boxes)[:, 0] > 0.7
    left_out = (taken - kept) | (set(busy.nonzero()[:, 0].tolist()) - kept)
    assert set(a.ignored[0].nonzero()[:, 0].tolist()) == left_out
    assert torch.equal(a.quality[0], torch.where(a.positive[0], iou, 0.0))


def test_both_sides_choose():
    boxes = torch.tensor([[500.0, 500, 520, 520]]).repeat(10, 1)
    boxes[7] = torch.tensor([0.0, 0, 20, 20])
    a = la.Uniform(match_times=1, pos_ignore=0.0)(ROW, one([0.0, 0, 20, 20]), seen(boxes))
    assert a.positive[0].nonzero()[:, 0].tolist() == [0, 7]


def test_a_prior_that_serves_one_object_twice_is_one_positive():
    a = la.Uniform(match_times=2, pos_ignore=0.0)(ROW, one([0.0, 0, 20, 20]), seen(ROW.boxes))
    assert a.positive[0].nonzero()[:, 0].tolist() == [0, 1]
    assert a.loc_weight.sum() == 2


def test_what_overlaps_too_little_is_left_out():
    box = [10.0, 0, 30, 20]  # a third of the first two priors, nothing of the others
    for threshold, positive, ignored in ((0.15, [0, 1], [2]), (1 / 3 + 1e-6, [], [0, 1, 2]), (0.0, [0, 1, 2], [])):
        a = la.Uniform(match_times=3, pos_ignore=threshold)(ROW, one(box), seen(ROW.boxes))
        assert a.positive[0].nonzero()[:, 0].tolist() == positive
        assert a.ignored[0].nonzero()[:, 0].tolist() == ignored


def test_background_whose_prediction_overlaps_much_is_left_out():
    boxes = torch.tensor([[500.0, 500, 520, 520]]).repeat(10, 1)
    boxes[4:8] = torch.tensor([[0.0, 0, 20, 15], [0, 0, 20, 10], [0, 0, 20, 9], [0, 0, 20, 20]])
    for highest, ignored in ((0.75, []), (0.5, [4]), (0.49, [4, 5]), (0.25, [4, 5, 6])):  # overlaps 0.75, 0.5, 0.45
        a = la.Uniform(match_times=1, neg_ignore=highest)(ROW, one([0.0, 0, 20, 20]), seen(boxes))
        # prior 7 predicts the object and lies elsewhere: it is chosen, and left out for that
        assert a.ignored[0].nonzero()[:, 0].tolist() == [*ignored, 7]


def test_a_contested_prior_goes_to_the_closest_then_to_the_lower_row():
    near, far = [1.0, 0, 21, 20], [4.0, 0, 24, 20]
    for boxes, want in (([near, far], 0), ([far, near], 1), ([near, near], 0)):
        a = la.Uniform(match_times=1)(ROW, one(*boxes), seen(ROW.boxes))
        assert a.gt_index[0, 0] == want
    assert a.reasons == ["FINE", "LOST"]
    assert la.Uniform.mmdet(1)(ROW, one(near, near), seen(ROW.boxes)).reasons == ["LOST", "FINE"]


def test_who_leaves_a_prior_out_does_not_take_it_from_who_keeps_it():
    """In mmdet it does, where it is the later one to write."""
    mine, other = [0.0, 0, 20, 20], [0.0, 25, 20, 45]
    single = la.Priors.from_boxes([[0, 0, 20, 20]])
    for boxes, row in (([mine, other], 0), ([other, mine], 1)):
        assert la.Uniform()(single, one(*boxes), seen(single.boxes)).gt_index.tolist() == [[row]]
    assert la.Uniform.mmdet()(single, one(mine, other), seen(single.boxes)).gt_index.tolist() == [[la.IGNORE]]
    assert la.Uniform.mmdet()(single, one(other, mine), seen(single.boxes)).gt_index.tolist() == [[1]]


def test_equal_distances_take_the_lower_prior():
    same = la.Priors.from_boxes([[0, 0, 20, 20]] * 50)
    for places in (1, 3, 7):
        a = la.Uniform(match_times=places)(same, one([3.0, 0, 23, 20]), far_off(same))
        assert a.positive[0].nonzero()[:, 0].tolist() == list(range(places))


def test_more_matches_than_priors_take_all():
    a = la.Uniform(match_times=99, pos_ignore=0.0)(ROW, one([0.0, 0, 20, 20], [180, 0, 200, 20]), far_off())
    assert a.positive.all()
    assert a.reasons == ["FINE", "FINE"]


def test_reasons():
    single = la.Priors.from_boxes([[0, 0, 20, 20]])
    boxes = [[0.0, 0, 20, 20], [0, 0, 20, 21], [90, 0, 110, 20], [0, 0, 20, 20]]
    a = la.Uniform()(single, one(*boxes, iscrowd=[0, 0, 0, 1]), seen(single.boxes))
    assert a.reasons == ["FINE", "LOST", "REJECTED", "IGNORED"]
    unseen = replace(single, valid=torch.tensor([[False]]))
    assert la.Uniform()(unseen, one(*boxes[:2]), seen(single.boxes)).reasons == ["NO_CANDIDATE"] * 2


def test_what_is_not_finite_is_passed_over_and_counted():
    p = seen(ROW.boxes)
    p.boxes[0, 0, 1] = torch.nan
    p.scores[0, 1, 2] = torch.inf
    half = torch.tensor([[True] * 9 + [False]])
    p.boxes[0, 9] = torch.nan
    a = la.Uniform(match_times=1, pos_ignore=0.0)(replace(ROW, valid=half), one([0.0, 0, 20, 20]), p)
    assert a.positive[0].nonzero()[:, 0].tolist() == [2]
    assert a.diagnostics["non_finite"].tolist() == [2], "priors outside the image do not count"


def test_a_broken_prior_is_passed_over_however_well_it_predicts():
    broken = ROW.boxes.clone()
    broken[0, 2] = torch.nan
    a = la.Uniform(match_times=1, pos_ignore=0.0)(la.Priors.from_boxes(broken), one([0.0, 0, 20, 20]), seen(ROW.boxes))
    assert a.positive[0].nonzero()[:, 0].tolist() == [1]
    assert a.diagnostics["non_finite"].tolist() == [0], "its prediction is sound"


def test_levels_do_not_matter():
    full = grid()
    gt, p = ground_truth((4, 2)), predictions(full, 2)
    flat = replace(full, level_sizes=(full.count,))
    assert torch.equal(la.Uniform()(full, gt, p).gt_index, la.Uniform()(flat, gt, p).gt_index)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: la.Uniform(match_times=0), "Uniform: expected `match_times` > 0, got 0"),
        (lambda: la.Uniform(pos_ignore=-0.1), "Uniform: expected `pos_ignore` >= 0, got -0.1"),
        (lambda: la.Uniform(neg_ignore=1.5), "Uniform: expected `neg_ignore` <= 1, got 1.5"),
        (lambda: la.Uniform()(ROW, one()), r"Uniform: expected `predictions` \(it needs predictions\)"),
        (
            lambda: la.Uniform()(la.Priors.queries(10), one(), seen(ROW.boxes)),
            "Uniform: expected anchor boxes, got queries",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
