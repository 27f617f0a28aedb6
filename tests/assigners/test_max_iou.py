"""MaxIoU's rules on overlaps that can be checked by hand."""

import pytest
import torch

import labelassign as la

BG, IG = la.BACKGROUND, la.IGNORE


def assign(assigner, priors, boxes, **fields):
    gt = la.GroundTruth.from_list([{"boxes": boxes, "labels": [0] * len(boxes), **fields}])
    return assigner(la.Priors.from_boxes(priors), gt)


# against [0, 0, 10, 10]: overlaps 1, 0.6, 0.45, 0.2, 0
ROW = [[0, 0, 10, 10], [0, 0, 10, 6], [0, 0, 10, 4.5], [0, 0, 10, 2], [50, 0, 60, 10]]


def test_thresholds_are_inclusive_above_and_exclusive_below():
    a = assign(la.MaxIoU(0.6, 0.2, "off"), ROW, [[0, 0, 10, 10]])
    assert a.gt_index.tolist() == [[0, 0, IG, IG, BG]]
    assert a.quality[0].tolist() == pytest.approx([1, 0.6, 0.45, 0.2, 0])


def test_an_interval_leaves_the_least_overlaps_out():
    a = assign(la.MaxIoU(0.5, (0.1, 0.5), "off"), ROW, [[0, 0, 10, 10]])
    assert a.gt_index.tolist() == [[0, 0, BG, BG, IG]]
    empty = assign(la.MaxIoU(0.5, (0.1, 0.5), "off"), ROW, [])
    assert empty.background.all()


# both objects overlap the shared prior most; the first more so, and the second has nothing else
SHARED = [[0, 0, 10, 10], [30, 0, 40, 10]]
TWO = [[0, 0, 10, 10], [0, 0, 10, 3]]


@pytest.mark.parametrize(
    ("assigner", "expected", "reasons"),
    [
        (la.MaxIoU(0.5, 0.4), [0, BG], ["FINE", "LOST"]),
        (la.MaxIoU.mmdet_retinanet(), [1, BG], ["LOST", "RESCUED"]),
        (la.MaxIoU.retinanet(), [0, BG], ["FINE", "LOST"]),
        (la.MaxIoU(0.5, 0.4, "label_only"), [0, BG], ["FINE", "LOST"]),
        (la.MaxIoU.ssd(), [1, BG], ["LOST", "RESCUED"]),
        (la.MaxIoU.rcnn(), [0, BG], ["FINE", "REJECTED"]),
    ],
)
def test_who_gets_a_prior_that_two_objects_want(assigner, expected, reasons):
    a = assign(assigner, SHARED, TWO)
    assert a.gt_index.tolist() == [expected]
    assert [la.Reason(r).name for r in a.reason.tolist()] == reasons


def test_a_rescue_needs_its_least_overlap_and_takes_all_equal_priors():
    priors = [[0, 0, 10, 2], [0, 8, 10, 10], [0, 0, 10, 1], [50, 0, 60, 10]]
    box = [[0, 0, 10, 10]]
    assert assign(la.MaxIoU(0.5, 0.1), priors, box).gt_index.tolist() == [[0, 0, IG, BG]]
    assert assign(la.MaxIoU(0.5, 0.1, all_ties=False), priors, box).gt_index.tolist() == [[0, IG, IG, BG]]
    strict = assign(la.MaxIoU(0.5, 0.1, min_pos_iou=0.3), priors, box)
    assert strict.gt_index.tolist() == [[IG, IG, IG, BG]]
    assert la.Reason(int(strict.reason)) == la.Reason.REJECTED


def test_an_object_off_all_priors_claims_nothing_unless_a_preset_says_so():
    far = [[500, 500, 510, 510]]
    a = assign(la.MaxIoU(), ROW, far)
    assert a.background.all()
    assert la.Reason(int(a.reason)) == la.Reason.NO_CANDIDATE
    assert assign(la.MaxIoU.mmdet_retinanet(), ROW, far).positive.all()


def test_options_are_checked():
    with pytest.raises(ValueError, match=r"MaxIoU: expected 0 <= neg_iou .* got neg_iou=0.6, pos_iou=0.5"):
        la.MaxIoU(0.5, 0.6)
    with pytest.raises(ValueError, match="`low_quality` to be one of"):
        la.MaxIoU(low_quality="argmax")


def test_ignore_regions_hide_background_only():
    boxes = [[0, 0, 10, 10], [40, 0, 70, 20]]
    a = assign(la.MaxIoU(0.5, 0.4), ROW, boxes, iscrowd=[0, 1])
    assert a.gt_index.tolist() == [[0, 0, IG, BG, IG]]
    assert [la.Reason(r).name for r in a.reason.tolist()] == ["FINE", "IGNORED"]
    exact = assign(la.MaxIoU(0.5, 0.4, ignore_iof=None), ROW, boxes, iscrowd=[0, 1])
    assert exact.gt_index.tolist() == [[0, 0, IG, BG, BG]]
    # half of the prior's own area: exactly enough
    half = [[0, 0, 10, 10], [55, 0, 70, 20]]
    assert assign(la.MaxIoU(0.5, 0.4), ROW, half, iscrowd=[0, 1]).gt_index.tolist() == [[0, 0, IG, BG, IG]]


def test_invalid_priors_take_no_part():
    priors = la.Priors.from_boxes(ROW)
    valid = torch.tensor([[False, True, True, True, True]])
    priors = la.Priors(priors.boxes, priors.level_sizes, valid=valid)
    gt = la.GroundTruth.from_list([{"boxes": [[0, 0, 10, 10]], "labels": [0]}])
    assert la.MaxIoU(0.7, 0.5)(priors, gt).gt_index.tolist() == [[IG, 0, BG, BG, BG]]
