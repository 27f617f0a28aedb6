"""What `topk2` leaves of an object's priors, by hand."""

from dataclasses import replace

import pytest
import torch

import labelassign as la
from tests.scenes import grid, ground_truth, predictions

POINTS = la.Priors.points(image_size=(64, 64), strides=(8,))
GT = la.GroundTruth.from_list([{"boxes": [[0.0, 0, 40, 40]], "labels": [1]}])


def network(logits):
    """One box for all priors; the logit of some priors."""
    scores = torch.full((1, POINTS.count, 2), -9.0)
    for prior, logit in logits.items():
        scores[0, prior, 1] = logit
    return la.Predictions(torch.tensor([0.0, 0, 40, 50]).expand(1, POINTS.count, 4).contiguous(), scores)


def test_the_best_aligned_stay_and_the_others_become_background():
    p = network({9: 1.0, 10: 3.0, 17: 2.0, 18: 0.0})
    a = la.TaskAligned(topk=4, topk2=2)(POINTS, GT, p)
    assert a.positive[0].nonzero().flatten().tolist() == [10, 17]
    assert a.background.sum() == POINTS.count - 2
    assert a.quality[0, [9, 18]].tolist() == [0, 0]
    # the soft target is relative to those that stayed: the best has its overlap
    assert a.cls_target[0, 10] == pytest.approx(0.8)


def test_ties_go_to_the_lower_prior():
    a = la.TaskAligned(topk=4, topk2=1)(POINTS, GT, network(dict.fromkeys((9, 10, 17, 18), 1.0)))
    assert a.positive[0].nonzero().flatten().tolist() == [9]


def test_none_and_a_large_number_change_nothing():
    priors, gt, p = grid(), ground_truth(), predictions(grid())
    want = la.TaskAligned()(priors, gt, p)
    for many in (13, 500):
        a = la.TaskAligned(topk2=many)(priors, gt, p)
        assert torch.equal(a.gt_index, want.gt_index)
        assert torch.equal(a.cls_target, want.cls_target)


@pytest.mark.parametrize("conflict", ["claimants", "all", "every"])
@pytest.mark.parametrize("wrap", [lambda a: a, la.LAD, lambda a: la.CoLAD(a, granularity="gt")])
def test_no_object_has_two(conflict, wrap):
    priors = grid()
    for seed in range(6):
        gt, mine, other = ground_truth((9, 0, 30), seed=seed), *(predictions(priors, seed=seed + i) for i in (1, 2))
        assigner = la.TaskAligned(topk=7, topk2=1, conflict=conflict)
        a = wrap(assigner)(priors, gt, mine, teacher=other)
        loose = wrap(replace(assigner, topk2=None))(priors, gt, mine, teacher=other)
        assert int(a.per_gt_count.max()) == 1
        assert torch.equal(a.per_gt_count > 0, loose.per_gt_count > 0)
        assert torch.equal(a.reason, loose.reason)
        assert torch.equal(torch.where(a.positive, a.gt_index, loose.gt_index), loose.gt_index)


def test_numbers_that_leave_nothing_are_refused():
    with pytest.raises(ValueError, match=r"TaskAligned: expected `topk2` > 0, got 0"):
        la.TaskAligned(topk2=0)
    with pytest.raises(ValueError, match="conflict"):
        la.TaskAligned(conflict="any")
