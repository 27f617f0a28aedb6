"""Measured facts about PAA in mmdet: each test holds its behaviour and ours, agreeing or not.

One level of priors stands apart from the object, each predicting a box of its own, so that costs are free to choose.
"""

import pytest
import torch

import labelassign as la
from tests.parity import paa_head
from tests.parity.awkward_scenes import awkward
from tests.parity.paa_head import PreAssigned
from tests.parity.scenes import output, pack, predictions, priors


def by_the_head(costs, covariance_type="diag"):
    """`paa_reassign` of one object with these candidates on one level, in the dtype of `costs`."""
    n = len(costs)
    box, zeros = torch.zeros(n, 4), torch.zeros(n, dtype=torch.int64)
    pre = PreAssigned([box], zeros, torch.ones(n), box, box, torch.arange(n), zeros)
    return paa_head.reassign(pre, costs, covariance_type).tolist()


def costs_and_ours(shifts, assigner):
    """Priors on one object of 64 pixels; prediction i is the object moved by `shifts[i]` pixels, so that costs rise."""
    n = len(shifts)
    gt = la.GroundTruth.from_list([{"boxes": [[0, 0, 64, 64]], "labels": [0]}])
    grid = la.Priors.from_boxes(torch.tensor([[0.0, 0, 64, 64]]).repeat(n, 1))
    boxes = torch.tensor([[0.0, 0, 64, 64]]) + torch.tensor(shifts)[:, None] * torch.tensor([1.0, 0, 1, 0])
    network = la.Predictions(boxes[None], torch.full((1, n, 1), 2.0))
    costs, _ = assigner._pairs(grid, gt, network, torch.zeros(n, dtype=torch.int64), torch.arange(n))
    return costs, assigner(grid, gt, network).gt_index[0].tolist()


@pytest.mark.parametrize("n", [5, 8, 9])
def test_equal_costs(n):
    """Differ on purpose: all samples have the highest score, and mmdet cuts after the one that topk(1) happens to take.

    Ours, and the code of Kim and Lee, cut after the first: one positive, the lowest prior.
    """
    costs, mine = costs_and_ours([3.0] * n, la.PAA.mmdet())
    assert len(costs.unique()) == 1
    assert mine == [0] + [-1] * (n - 1)
    assert by_the_head(costs.double()).count(0) == int(torch.ones(n, dtype=torch.float64).topk(1).indices) + 1 > 1


def test_nearly_equal_costs_in_float32():
    """Differ on purpose: as shipped, mmdet's mixture loses the object. In float64 it keeps it, as ours does."""
    costs = torch.tensor([1.0, 1.0 + 1e-7, 1.0 + 2e-7], dtype=torch.float64)
    assert by_the_head(costs.float()) == [-1, -1, -1]
    assert by_the_head(costs) == [0, 0, -1]
    tight, mine = costs_and_ours([3.0, 3.0 + 2e-6, 3.0 + 4e-6], la.PAA.mmdet())
    assert 0 < float(tight.max() - tight.min()) < 1e-6
    assert 0 in mine


def test_costs_of_10000_in_float32():
    """Differ on purpose: as shipped, mmdet raises and training stops. In float64 it answers as ours does."""
    heavy = la.PAA(cost=la.FocalIoU(iou_weight=1e6), separation=la.Separation(single="drop", empty_low="none"))
    costs, mine = costs_and_ours([0.4, 0.4001, 0.4003, 1.2], heavy)
    assert float(costs.min()) > 1e4
    for each in (costs, torch.tensor([1e4, 1e4 + 1, 3e4])):
        with pytest.raises(ValueError, match="ill-defined empirical covariance"):
            by_the_head(each)
    assert by_the_head(costs.double()) == by_the_head(costs.double(), "full") == mine == [0, 0, -1, -1]


def test_two_costs():
    """Agree: each is its own component, and the cheaper one is positive."""
    costs, mine = costs_and_ours([2.0, 60.0], la.PAA.mmdet())
    assert by_the_head(costs.double()) == by_the_head(costs) == mine == [0, -1]


def test_one_cost():
    """The preset agrees: dropped, since a mixture needs two. The plain class keeps it, as Kim and Lee's code does."""
    costs, mine = costs_and_ours([2.0], la.PAA.mmdet())
    assert by_the_head(costs) == mine == [-1]
    assert costs_and_ours([2.0], la.PAA())[1] == costs_and_ours([2.0], la.PAA.original())[1] == [0]


def test_an_object_without_overlap_takes_candidates_all_over_the_image():
    """The preset agrees: with min_pos_iou 0 it claims every prior that it does not touch. The plain class differs."""
    here, network = awkward()["a far object last"], predictions([output(7, 0)])
    far = len(here.boxes) - 1
    claimed = int((paa_head.pre_assign(here).row == far).sum())
    assert claimed > 0.9 * priors().count
    counts = [each._propose(priors(), pack([here]), network).count[far].sum() for each in (la.PAA.mmdet(), la.PAA())]
    assert counts == [claimed, 0]
