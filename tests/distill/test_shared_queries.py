"""LAD and CoLAD over one-to-one matching, where both networks have the same queries."""

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import linear_sum_assignment

import labelassign as la
from labelassign.testing import Scene
from tests.laws.matching import costs

SIZE = (96.0, 128.0)
QUERIES, CLASSES = 30, 4
RULE = la.Hungarian("focal", shared_queries=True)


def inputs(counts=(4, 0, 6), spoiled=False):
    g = torch.Generator().manual_seed(0)
    images = []
    for n in counts:
        corner = torch.rand(n, 2, generator=g) * 60
        boxes = torch.cat([corner, corner + 8 + 40 * torch.rand(n, 2, generator=g)], 1)
        labels = torch.randint(CLASSES, (n,), generator=g)
        images.append({"boxes": boxes, "labels": labels, "image_size": SIZE})
    gt = la.GroundTruth.from_list(images)
    networks = []
    for _ in range(2):
        boxes = torch.rand(len(counts), QUERIES, 4, generator=g) * torch.tensor([0.8, 0.8, 0.4, 0.4]) + 0.05
        logits = torch.randn(len(counts), QUERIES, CLASSES, generator=g)
        if spoiled:
            logits[:, ::3, 0] = torch.nan
        networks.append(la.Predictions.from_cxcywh(boxes, logits, gt.image_sizes, scores_are="sigmoid_logits"))
    return la.Priors.queries(QUERIES), gt, *networks


def same(a, b):
    return torch.equal(a.gt_index, b.gt_index) and torch.equal(a.reason, b.reason) and torch.equal(a.quality, b.quality)


@pytest.mark.parametrize("spoiled", [False, True])
@pytest.mark.parametrize("rule", [RULE, la.Hungarian(groups=3, repeats=2, shared_queries=True)], ids=str)
def test_lad_matches_by_the_teacher_s_costs(rule, spoiled):
    priors, gt, mine, other = inputs(spoiled=spoiled)
    a = la.LAD(rule)(priors, gt, mine, teacher=other)
    assert same(a, rule(priors, gt, other))
    assert not same(a, rule(priors, gt, mine))
    assert la.LAD(rule).needs == {"teacher"}


@pytest.mark.parametrize("granularity", ["batch", "image", "gt", "gt_level"])
@pytest.mark.parametrize("criterion", [la.MeanCost(), la.FisherScore(), la.Random(seed=1), la.Fixed()], ids=str)
def test_colad_of_equal_networks_is_the_matcher(criterion, granularity):
    priors, gt, mine, _ = inputs()
    a = la.CoLAD(RULE, criterion, granularity)(priors, gt, mine, teacher=mine, step=2)
    assert same(a, RULE(priors, gt, mine))


@pytest.mark.parametrize(
    "criterion", [la.MeanCost(), la.FisherScore(), la.Random(seed=1), la.Fixed("student")], ids=str
)
def test_colad_of_a_whole_batch_is_the_one_network_s_or_the_other_s(criterion):
    priors, gt, mine, other = inputs()
    a = la.CoLAD(RULE, criterion)(priors, gt, mine, teacher=other, step=0)
    teacher = float(a.diagnostics["teacher_share"])
    assert teacher in (0, 1)
    assert same(a, RULE(priors, gt, other if teacher else mine))


@pytest.mark.parametrize("granularity", ["gt", "gt_level"])
def test_rows_of_two_networks_are_matched_together(granularity):
    priors, gt, mine, other = inputs()
    a = la.CoLAD(RULE, la.MeanCost(), granularity)(priors, gt, mine, teacher=other)
    chosen, bounds = a.diagnostics["teacher_chosen"][:, 0].numpy(), gt.offsets.tolist()
    assert 0 < chosen.sum() < len(chosen)
    for image, (first, last) in enumerate(itertools.pairwise(bounds)):
        given = (gt.boxes[first:last].numpy(), gt.labels[first:last].numpy())
        both = [costs(RULE, SIZE, p, image, *given) for p in (mine, other)]
        mixed = np.where(chosen[first:last, None], both[1], both[0])
        row, query = linear_sum_assignment(mixed)
        want = np.full(QUERIES, -1)
        want[query] = row + first
        assert (a.gt_index[image].numpy() == want).all()


def test_candidates_are_all_queries_and_single_pairs_cost_the_same():
    priors, gt, mine, _ = inputs(spoiled=True)
    c = RULE._propose(priors, gt, mine)
    held = c.prior[:, 0] >= 0
    assert (held.sum(1) == c.count[:, 0]).all()
    assert (c.count == QUERIES - 10).all()
    row = torch.arange(gt.num_rows)[:, None].expand(-1, QUERIES)
    prior = torch.arange(QUERIES).expand_as(row)
    cost, iou = RULE._pairs(priors, gt, mine, torch.where(held, row, -1).flatten(), prior.flatten())
    assert torch.equal(cost.view_as(row), c.cost[:, 0])
    assert torch.equal(iou.view_as(row), c.iou[:, 0])
    value = c.cost[:, 0].double()
    for r in range(gt.num_rows):
        torch.testing.assert_close(c.mean[r, 0], value[r, held[r]].mean())
        torch.testing.assert_close(c.variance[r, 0], value[r, held[r]].var())


@pytest.mark.parametrize("wrapper", [la.LAD, la.CoLAD])
def test_queries_of_two_networks_are_strangers_unless_said(wrapper):
    with pytest.raises(TypeError, match=r"queries two networks share, got Hungarian.*shared_queries=True"):
        wrapper(la.Hungarian())


def test_costs_below_zero_have_no_std_over_mean():
    scene = Scene(*inputs())
    with pytest.raises(ValueError, match=r"StdMean: expected costs >= 0, got cost -"):
        scene.assign(la.CoLAD(RULE))
