"""ATSS on small grids that can be checked by hand or by NumPy."""

import numpy as np
import pytest
import torch

import labelassign as la
from tests.scenes import grid, ground_truth


def by_the_book(priors, box, topk):
    """The definition, object by object, in NumPy float64."""
    anchors = priors.boxes.double().numpy()
    box = np.asarray(box, dtype=np.float64)
    centre = (anchors[:, :2] + anchors[:, 2:]) / 2
    distance = ((centre - (box[:2] + box[2:]) / 2) ** 2).sum(1)
    chosen, begin = [], 0
    for size in priors.level_sizes:
        order = np.lexsort((np.arange(size), distance[begin : begin + size]))
        chosen += [begin + i for i in order[:topk]]
        begin += size
    chosen = np.array(chosen)
    low, high = np.maximum(anchors[chosen, :2], box[:2]), np.minimum(anchors[chosen, 2:], box[2:])
    inner = np.clip(high - low, 0, None).prod(1)
    iou = inner / ((anchors[chosen, 2:] - anchors[chosen, :2]).prod(1) + (box[2:] - box[:2]).prod() - inner)
    threshold = iou.mean() + iou.std(ddof=1)
    inside = np.minimum(centre[chosen] - box[:2], box[2:] - centre[chosen]).min(1) > 0.01
    return set(chosen[(iou >= threshold) & inside].tolist())


@pytest.mark.parametrize("seed", range(6))
def test_single_objects_follow_the_definition(seed):
    priors = grid()
    gt = ground_truth((1,), seed=seed)
    a = la.ATSS(topk=5)(priors, gt)
    assert set(a.gt_index[0].nonzero().flatten().tolist()) <= set(range(priors.count))
    assert set((a.gt_index[0] == 0).nonzero().flatten().tolist()) == by_the_book(priors, gt.boxes[0].tolist(), 5)


def test_a_contested_prior_goes_to_the_higher_overlap_then_the_lower_row():
    priors = grid()
    small, large = [60, 60, 76, 76], [52, 52, 84, 84]
    for boxes in ([small, large], [large, small]):
        a = la.ATSS()(priors, la.GroundTruth.from_list([{"boxes": boxes, "labels": [0, 1]}]))
        owned = a.gt_index[0] >= 0
        own = la.geometry.paired_iou(priors.boxes, torch.tensor(boxes).float()[a.gt_index[0].clamp(min=0)])
        assert torch.equal(a.quality[0][owned], own[owned])
        other = la.geometry.paired_iou(priors.boxes, torch.tensor(boxes).float()[1 - a.gt_index[0].clamp(min=0)])
        alone = [
            la.ATSS()(priors, la.GroundTruth.from_list([{"boxes": [b], "labels": [0]}])).positive[0] for b in boxes
        ]
        contested = alone[0] & alone[1]
        assert contested.any()
        assert (own[contested] >= other[contested]).all()
    twins = la.GroundTruth.from_list([{"boxes": [small, small], "labels": [0, 1]}])
    a = la.ATSS()(priors, twins)
    assert (a.gt_index <= 0).all()
    assert [la.Reason(r).name for r in a.reason.tolist()] == ["FINE", "LOST"]


def test_one_candidate_is_kept_unless_a_preset_drops_it():
    priors = la.Priors.from_boxes([[0, 0, 10, 10]])
    gt = la.GroundTruth.from_list([{"boxes": [[1, 1, 9, 9]], "labels": [0]}])
    assert la.ATSS()(priors, gt).gt_index.tolist() == [[0]]
    for preset in (la.ATSS.mmdet(), la.ATSS.original()):
        a = preset(priors, gt)
        assert a.gt_index.tolist() == [[-1]]
        assert la.Reason(int(a.reason)) == la.Reason.REJECTED


def test_equal_overlaps_are_all_positive():
    # float32 means of equal overlaps often exceed them; in float64, rounded once, they never do
    for side in np.linspace(3, 9.9, 50):
        priors = la.Priors.from_boxes([[0, 0, 10, 10]] * 7)
        gt = la.GroundTruth.from_list([{"boxes": [[0.0, 0.0, side, 9.7]], "labels": [0]}])
        expected = bool(side / 2 > 0 and side > 5.01)  # the centre (5, 5) must lie inside
        assert la.ATSS()(priors, gt).positive.all().item() == expected


def test_the_original_takes_k_for_each_anchor_of_a_cell():
    priors = grid(ratios=(0.5, 1.0, 2.0))
    gt = ground_truth((2, 1))
    wide = la.ATSS.original(topk=4)(priors, gt)
    assert torch.equal(wide.gt_index, la.ATSS(topk=12, keep_single=False, ignore_iof=None)(priors, gt).gt_index)
    assert not torch.equal(wide.gt_index, la.ATSS.mmdet(topk=4)(priors, gt).gt_index)
