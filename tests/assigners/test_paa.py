"""PAA's steps, one by one."""

import numpy as np
import pytest
import torch
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

import labelassign as la
from tests.scenes import grid, ground_truth, predictions


def test_candidates_are_the_partition_by_overlap_with_rescued_priors():
    priors, gt = grid(), ground_truth((4,))
    found = la.PAA(topk=10_000)._propose(priors, gt, predictions(priors, 1))
    iou = la.geometry.pairwise_iou(gt.boxes, priors.boxes)
    owner = torch.where(iou.amax(0) >= 0.1, iou.argmax(0), -1)
    for row, prior in zip(*torch.where((iou == iou.amax(1, keepdim=True)) & (iou > 0)), strict=True):
        owner[prior] = row  # every object keeps its best priors
    for row in range(4):
        listed = found.prior[row][found.prior[row] >= 0]
        assert sorted(listed.tolist()) == (owner == row).nonzero().flatten().tolist()
        assert found.count[row].sum() == len(listed)


@pytest.mark.parametrize(
    ("cost", "box"), [(la.FocalIoU(), "iou"), (la.FocalIoU(generalized=True, iou_weight=1.3), "giou")]
)
def test_costs_are_the_loss_the_pair_would_have(cost, box):
    priors, gt = grid(), ground_truth((4,))
    p = predictions(priors, 1)
    found = la.PAA(cost=cost)._propose(priors, gt, p)
    row, level, rank = torch.where(found.prior >= 0)
    prior = found.prior[row, level, rank]
    target = torch.nn.functional.one_hot(gt.labels[row], p.num_classes).double()
    focal = sigmoid_focal_loss(p.scores[0, prior].double(), target).sum(1)
    boxes, truth = p.boxes[0, prior].double(), gt.boxes[row].double()
    iou = la.geometry.paired_iou(boxes, truth).double()
    gap = 1.3 * generalized_box_iou_loss(boxes, truth) if box == "giou" else 1 - iou
    torch.testing.assert_close(found.cost[row, level, rank].double(), focal + gap, rtol=1e-5, atol=1e-5)
    again, overlap = la.PAA(cost=cost)._pairs(priors, gt, p, row, prior)
    assert torch.equal(again, found.cost[row, level, rank])
    assert torch.equal(overlap, found.iou[row, level, rank])


def test_probabilities_cost_what_their_logits_cost():
    priors, gt = grid(), ground_truth((4,))
    p = predictions(priors, 1)
    probs = la.Predictions(p.boxes, p.scores.double().sigmoid(), "probs")
    by_logits, by_probs = (la.PAA()._propose(priors, gt, each).cost for each in (p, probs))
    torch.testing.assert_close(by_probs, by_logits, rtol=1e-6, atol=1e-6)


def test_a_softmax_head_s_no_object_column_is_no_class():
    priors, gt = grid(), ground_truth((4,))
    p = predictions(priors, 1)
    wide = torch.cat([p.scores, torch.zeros_like(p.scores[..., :1])], -1)
    soft = la.Predictions(p.boxes, wide, "softmax_logits")
    assert soft.num_classes == p.num_classes
    probs = la.Predictions(p.boxes, wide.double().softmax(-1)[..., :-1], "probs")
    torch.testing.assert_close(la.PAA()._propose(priors, gt, soft).cost, la.PAA()._propose(priors, gt, probs).cost)


def test_moments_are_of_all_candidates_and_lists_of_the_cheapest():
    priors, gt = grid(), ground_truth((4,))
    p = predictions(priors, 1)
    every, few = (la.PAA(topk=k)._propose(priors, gt, p) for k in (10_000, 3))
    assert torch.equal(every.prior[..., :3], few.prior)
    assert torch.equal(every.cost[..., :3], few.cost)
    for row, level in np.ndindex(*few.count.shape):
        costs = every.cost[row, level][torch.isfinite(every.cost[row, level])].double()
        assert few.count[row, level] == len(costs)
        if len(costs):
            torch.testing.assert_close(few.mean[row, level], costs.mean())
        if len(costs) > 1:
            torch.testing.assert_close(few.variance[row, level], costs.var())


def test_overlapping_candidates_let_two_objects_want_a_prior():
    priors = grid()
    gt = la.GroundTruth.from_list([{"boxes": [[50, 50, 82, 82], [58, 50, 90, 82]], "labels": [0, 1]}])
    p = predictions(priors, 1)
    shared = la.PAA(shared="overlap", topk=10_000)._propose(priors, gt, p)
    wanted = [set(row[row >= 0].tolist()) for row in shared.prior.flatten(1)]
    iou = la.geometry.pairwise_iou(gt.boxes, priors.boxes)
    assert wanted == [set((row >= 0.1).nonzero().flatten().tolist()) for row in iou]
    assert wanted[0] & wanted[1]
    a = la.PAA(shared="overlap")(priors, gt, p)
    assert (a.per_gt_count > 0).all()


def settings(boxes, priors=None):
    gt = la.GroundTruth.from_list([{"boxes": boxes, "labels": [0] * len(boxes)}])
    priors = grid() if priors is None else la.Priors.from_boxes(priors)
    return priors, gt, predictions(priors, 1)


def test_a_single_candidate():
    scene = settings([[0, 0, 10, 10]], [[0, 0, 10, 10], [50, 50, 60, 60]])
    assert la.PAA()(*scene).gt_index.tolist() == [[0, -1]]
    assert la.PAA.original()(*scene).gt_index.tolist() == [[0, -1]]
    dropped = la.PAA.mmdet()(*scene)
    assert dropped.gt_index.tolist() == [[-1, -1]]
    assert la.Reason(int(dropped.reason)) == la.Reason.REJECTED


def test_an_object_off_all_priors_has_no_candidate_and_contaminates_only_the_presets():
    scene = settings([[20, 20, 52, 52], [900, 900, 910, 910]])
    a = la.PAA()(*scene)
    assert [la.Reason(r).name for r in a.reason.tolist()] == ["FINE", "NO_CANDIDATE"]
    b = la.PAA.mmdet()(*scene)
    assert b.per_gt_count[1] > 0  # the published defect: it claims every prior that it does not touch


def test_an_object_whose_priors_all_belong_to_others_has_lost():
    a = la.PAA(low_quality="off")(*settings([[20, 20, 52, 52], [20, 20, 52, 52]]))
    assert [la.Reason(r).name for r in a.reason.tolist()] == ["FINE", "LOST"]


def test_small_objects_need_the_rescue():
    priors = la.Priors.grid(image_size=(64, 64), strides=(8,), scale=8)
    gt = la.GroundTruth.from_list([{"boxes": [[20, 20, 34, 34]], "labels": [0]}])
    p = predictions(priors, 1)
    assert la.PAA()(priors, gt, p).per_gt_count.tolist() != [0]
    without = la.PAA(low_quality="off")(priors, gt, p)
    assert without.per_gt_count.tolist() == [0]
    assert la.Reason(int(without.reason)) == la.Reason.NO_CANDIDATE


def test_quality_is_exp_of_minus_cost():
    scene = settings([[20, 20, 52, 52], [60, 30, 120, 90]])
    a = la.PAA()(*scene)
    prior = a.positive[0].nonzero().flatten()
    cost, _ = la.PAA()._pairs(*scene, a.gt_index[0, prior], prior)
    torch.testing.assert_close(a.quality[0, prior], torch.exp(-cost))
    assert (a.quality[~a.positive] == 0).all()
