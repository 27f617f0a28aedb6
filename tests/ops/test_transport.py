"""The transport op against POT's dense solvers, exact and entropic, and its rules where no plan can be met."""

import itertools

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linprog

from labelassign.ops.transport import transport, transport_candidates, transport_pairs
from labelassign.structures import Reason
from tests.scenes import grid, ground_truth, predictions

N, EPS = 60, 0.5


def problem(seed, rows=(5, 0, 4), width=9):
    """Lists of an image each; every image has priors that nobody lists."""
    g = torch.Generator().manual_seed(seed)
    total = sum(rows)
    prior = torch.stack([torch.randperm(2 * N // 3, generator=g)[:width] for _ in range(total)])
    prior[torch.rand(prior.shape, generator=g) < 0.2] = -1
    cost = torch.rand(prior.shape, generator=g, dtype=torch.float64) * 5 - 2
    supply = torch.randint(1, 4, (total,), generator=g)
    return prior, cost, supply, torch.tensor([0, *rows]).cumsum(0)


def dense(prior, cost, supply, rows):
    """Supplies, and costs [rows + 1, N] with 1e4 where nothing is listed; the background is last."""
    full = np.full((rows.stop - rows.start + 1, N), 1e4)
    full[-1] = 0
    for r in range(rows.start, rows.stop):
        held = prior[r] >= 0
        full[r - rows.start, prior[r][held]] = cost[r][held]
    wanted = supply[rows].numpy()
    return np.append(wanted, N - wanted.sum()).astype(float), full


def solved(seed, eps=EPS, iterations=600, rescale=False):
    prior, cost, supply, offsets = problem(seed)
    return transport(prior, cost, supply, offsets, N, eps, iterations, rescale), (prior, cost, supply), offsets.tolist()


@pytest.mark.parametrize("seed", range(6))
def test_the_plan_is_pot_s(seed):
    (_, _, _, plan), (prior, cost, supply), offsets = solved(seed)
    for first, last in itertools.pairwise(offsets):
        if first == last:
            continue
        wanted, full = dense(prior, cost, supply, slice(first, last))
        want = ot.bregman.sinkhorn_log(wanted, np.ones(N), full, EPS, numItermax=20_000, stopThr=1e-9)
        mine = np.zeros((last - first, N))
        for r in range(first, last):
            held = prior[r] >= 0
            mine[r - first, prior[r][held]] = plan[r][held]
        np.testing.assert_allclose(mine, want[:-1], atol=1e-5)
        np.testing.assert_allclose(mine.sum(1), wanted[:-1], atol=1e-5)


@pytest.mark.parametrize("seed", range(6))
def test_with_little_entropy_the_owners_are_those_of_the_linear_program(seed):
    (index, _, reason, _), (prior, cost, supply), offsets = solved(seed, eps=0.02, iterations=1500)
    for image, (first, last) in enumerate(itertools.pairwise(offsets)):
        if first == last:
            assert (index[image] == -1).all()
            continue
        wanted, full = dense(prior, cost, supply, slice(first, last))
        exact = ot.emd(wanted, np.ones(N), full)
        owner = np.append(np.arange(first, last), -1)[exact.argmax(0)]
        assert (index[image].numpy() == owner).all()
        assert (np.bincount(owner[owner >= 0] - first, minlength=last - first) == wanted[:-1]).all()
    assert (reason == Reason.FINE).all()


def test_pot_s_exact_solver_is_scipy_s():
    prior, cost, supply, _ = problem(0)
    wanted, full = dense(prior, cost, supply, slice(0, 5))
    rows = len(wanted)
    sums = np.concatenate([np.kron(np.eye(rows), np.ones(N)), np.tile(np.eye(N), rows)])
    least = linprog(full.ravel(), A_eq=sums, b_eq=np.append(wanted, np.ones(N)), method="highs").fun
    assert ot.emd2(wanted, np.ones(N), full) == pytest.approx(least, abs=1e-9)


def test_images_are_problems_of_their_own():
    (index, share, _, plan), (prior, cost, supply), _ = solved(3)
    alone = transport(prior[5:], cost[5:], supply[5:], torch.tensor([0, 4]), N, EPS, 600, False)
    assert torch.equal(torch.where(index[2] >= 0, index[2] - 5, -1), alone[0][0])
    torch.testing.assert_close(share[2], alone[1][0])
    torch.testing.assert_close(plan[5:], alone[3])


def line(prior, cost, supply, n=6, **rules):
    given = {"eps": EPS, "iterations": 500, "rescale": False} | rules
    prior, cost = torch.tensor(prior), torch.tensor(cost, dtype=torch.float64)
    return transport(prior, cost, torch.tensor(supply), torch.tensor([0, len(supply)]), n, *given.values())


def test_cheaper_than_background_or_not_an_object_takes_what_it_must():
    index, share, reason, plan = line([[0, 1, 2, 3]], [[5.0, 6.0, 9.0, 11.0]], [2])
    assert index[0].tolist() == [0, 0, -1, -1, -1, -1]
    assert float(plan.sum()) == pytest.approx(2)
    torch.testing.assert_close(share[0, :2], plan[0, :2].float())
    assert reason.tolist() == [Reason.FINE]


def test_more_supply_than_priors_leaves_no_background_among_them():
    index, _, _, plan = line([[0, 1], [0, 1], [1, 2]], [[0.0, 1.0], [1.0, 0.0], [0.0, 0.0]], [2, 2, 2])
    assert (index[0, :3] >= 0).all()
    assert (index[0, 3:] == -1).all()
    assert torch.isfinite(plan).all()


def test_equal_objects_leave_the_prior_to_the_lower_row():
    index, _, reason, _ = line([[0, 1, 2]] * 2, [[0.0, 1.0, 2.0]] * 2, [1, 1])
    assert index[0].tolist() == [0, 0, -1, -1, -1, -1]
    assert reason.tolist() == [Reason.FINE, Reason.FINE]  # the second has lost it: `complete` says so


def test_where_the_plan_cannot_tell_the_cost_does():
    """Two objects, each with the one prior for its one unit: half and half in every plan."""
    for cheap in (0, 1):
        cost = [[-3.0], [2.0]] if cheap == 0 else [[0.5], [-0.5]]
        index, share, _, _ = line([[0], [0]], cost, [1, 1])
        assert index[0].tolist() == [cheap] + [-1] * 5
        assert share[0, 0] == 0.5


def test_rescaled_every_object_takes_its_largest_share():
    prior, cost = [[0, 1, 2, 3, 4]], [[0.0] * 5]
    assert line(prior, cost, [1])[0][0].tolist() == [-1] * 6
    assert line(prior, cost, [1])[2].tolist() == [Reason.REJECTED]
    assert line(prior, cost, [1], rescale=True)[0][0].tolist() == [0] * 5 + [-1]


OUT = {
    "no supply": ([1, 2, 3], [0.0] * 3, 0),
    "empty": ([-1] * 3, [0.0] * 3, 1),
    "inf": ([0, 1, 2], [torch.inf] * 3, 1),
}


@pytest.mark.parametrize("name", OUT)
def test_rows_without_supply_or_finite_cost_take_no_part(name):
    more_prior, more_cost, more_supply = OUT[name]
    want = line([[0, 1, 2]], [[0.0, 1.0, 2.0]], [1])
    got = line([[0, 1, 2], more_prior], [[0.0, 1.0, 2.0], more_cost], [1, more_supply])
    assert torch.equal(got[0], want[0])
    torch.testing.assert_close(got[3][:1], want[3])
    assert not got[3][1].any()


@pytest.mark.parametrize("scale", [1e-300, 1e-3, 1e3, 1e6])
def test_any_size_of_cost_gives_a_finite_plan(scale):
    prior, cost, supply, offsets = problem(1)
    index, share, _, plan = transport(prior, cost * scale, supply, offsets, N, EPS, 50, False)
    assert torch.isfinite(share).all()
    assert torch.isfinite(plan).all()
    assert index.max() < len(supply)


def test_nobody_and_nothing():
    none = torch.zeros(0, 3)
    rules = (4, EPS, 5, False)
    index, share, reason, plan = transport(none.long(), none.double(), none[:, 0].long(), torch.tensor([0, 0]), *rules)
    assert index.tolist() == [[-1] * 4]
    assert (share.sum(), *reason.shape, *plan.shape) == (0, 0, 0, 3)
    none = torch.zeros(2, 0)
    empty = transport(none.long(), none.double(), torch.ones(2).long(), torch.tensor([0, 2]), *rules)
    assert empty[0].tolist() == [[-1] * 4]


@pytest.mark.parametrize("scores_are", ["sigmoid_logits", "probs", "softmax_logits"])
def test_single_pairs_cost_what_the_lists_say(scores_are):
    priors, gt = grid(), ground_truth()
    p = predictions(priors)
    scores = p.scores.sigmoid() if scores_are == "probs" else p.scores
    classes = scores.shape[2] - (scores_are == "softmax_logits")
    gt = ground_truth(classes=classes)
    where = (priors.boxes, None, priors.strides, gt.boxes, gt.labels, gt.offsets, gt.ignore, classes)
    cost = (scores, p.boxes, scores_are, 0.25, 2.0, 1.5, 1e-7)
    listed = transport_candidates(*where, 2.5, *cost, 25, 5, True)
    row = torch.arange(gt.num_rows)[:, None].expand(-1, 25)
    row = torch.where(listed[0][:, 0] >= 0, row, -1).flatten()
    pairs = (row, listed[0].flatten().clamp(min=0), gt.image_of, gt.boxes, gt.labels)
    single, iou, excess = transport_pairs(*pairs, *cost)
    assert torch.equal(single, listed[1].flatten())
    assert torch.equal(iou, listed[2].flatten())
    assert (listed[0] >= 0).sum() > 20
    held = row >= 0
    # without the object's class the rest of the focal loss is the same
    g, n = row[held], pairs[1][held]
    x = scores[gt.image_of[g], n].double()
    p_of = {"probs": x, "sigmoid_logits": x.sigmoid(), "softmax_logits": x.softmax(1)[:, :-1]}[scores_are][:, :classes]
    one = torch.nn.functional.one_hot(gt.labels[g], classes).bool()
    hit, miss = -0.25 * (1 - p_of) ** 2 * p_of.log(), -0.75 * p_of**2 * (1 - p_of).log()
    box = -1.5 * iou[held].double().clamp(min=1e-7).log()
    torch.testing.assert_close(single[held].double(), torch.where(one, hit, miss).sum(1) + box, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(excess[held], torch.where(one, hit - miss, 0.0).sum(1) + box)
