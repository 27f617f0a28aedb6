"""Hungarian against the matchers of transformers 5.23.0 and mmdet 3.3.0: the same pairs.

Their costs are float32 over normalised boxes, ours float64 over pixels, so two matchings whose sums differ by less than
float32 can tell are both right; on these scenes there are none. Where costs are equal by construction (the last tests)
the sums are compared instead.
"""

import pytest
import torch

import labelassign as la
from tests.laws.matching import costs
from tests.parity import set_peers
from tests.parity.scenes import IMAGE, SEEDS

KINDS = ("random", "first", "trained")
WEIGHTS = {"bbox_cost": 5, "giou_cost": 2}
FOCAL = {"alpha": 0.25, "gamma": 2.0, "use_focal_loss": True}
# ours, the form of the scores, theirs
PEERS = {
    "DETR": (la.Hungarian.detr(), "softmax_logits", ("HungarianMatcher", {"class_cost": 1})),
    "Deformable DETR": (
        la.Hungarian.deformable_detr(),
        "sigmoid_logits",
        ("DeformableDetrHungarianMatcher", {"class_cost": 2}),
    ),
    "transformers' Deformable DETR": (
        la.Hungarian.deformable_detr(cls_weight=1.0),
        "sigmoid_logits",
        ("DeformableDetrHungarianMatcher", {"class_cost": 1}),
    ),
    "RT-DETR": (la.Hungarian.rt_detr(), "sigmoid_logits", ("RTDetrHungarianMatcher", {"class_cost": 2, **FOCAL})),
    "RT-DETR with softmax": (
        la.Hungarian(cls_weight=2.0),
        "softmax_logits",
        ("RTDetrHungarianMatcher", {"class_cost": 2, **FOCAL, "use_focal_loss": False}),
    ),
}


def assert_same(ours, theirs, what):
    assert len(ours) == len(theirs)
    for image, (mine, peer) in enumerate(zip(ours, theirs, strict=True)):
        same = all(torch.equal(a, b) for a, b in zip(mine, peer, strict=True))
        assert same, f"{what}, image {image}: ours {mine}, theirs {peer}"


def sums(assigner, here, scores_are, pairs):
    """Total cost of each image's pairs, worked out a third time: in NumPy float64."""
    _, gt, p = here.ours(scores_are)
    found = []
    for i, (query, row) in enumerate(pairs):
        image = gt.to_list()[i]
        cost = costs(assigner, IMAGE, p, i, image["boxes"].numpy(), image["labels"].numpy())
        found.append(float(cost[row.numpy(), query.numpy()].sum()))
    return torch.tensor(found)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PEERS)
def test_no_pair_differs_from_transformers(name, kind, seed):
    ours, scores_are, (matcher, options) = PEERS[name]
    here = set_peers.batch(kind, seed)
    theirs = set_peers.transformers(matcher, here, scores_are, **options, **WEIGHTS)
    assert [len(query) for query, _ in theirs] == [0, 1, 7, 23, 63]
    assert_same(here.pairs(ours, scores_are), theirs, name)


@pytest.mark.parametrize("groups", [1, 3, 13])
def test_no_pair_differs_from_groups(groups):
    here = set_peers.batch("trained", 0, (3, 0, 17), queries=20 * groups)
    options = {"class_cost": 2, **WEIGHTS}
    theirs = set_peers.transformers("LwDetrHungarianMatcher", here, "sigmoid_logits", groups, **options)
    assert len(theirs[2][0]) == 17 * groups
    assert_same(here.pairs(la.Hungarian.dino(groups), "sigmoid_logits"), theirs, f"{groups} groups")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", KINDS)
def test_no_pair_differs_from_mmdet(kind, seed):
    here, focal = set_peers.batch(kind, seed), {"type": "FocalLossCost", "weight": 2.0}
    softmax = set_peers.mmdet(here, "softmax_logits", {"type": "ClassificationCost", "weight": 1.0}, (5.0, 2.0))
    assert_same(here.pairs(la.Hungarian.detr(), "softmax_logits"), softmax, "DETR")
    sigmoid = set_peers.mmdet(here, "sigmoid_logits", focal, (5.0, 2.0))
    assert_same(here.pairs(la.Hungarian.dino(eps=1e-12), "sigmoid_logits"), sigmoid, "DINO")


@pytest.mark.parametrize("topk", [1, 4, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_no_pair_differs_from_repeated_objects(kind, topk):
    """300 queries and 63 objects: only 4 each, for all alike."""
    here, focal = set_peers.batch(kind, 1), {"type": "FocalLossCost", "weight": 2.0}
    theirs = set_peers.mmdet(here, "sigmoid_logits", focal, (5.0, 2.0), topk)
    assert len(theirs[4][0]) == 63 * min(topk, 4)
    ours = la.Hungarian("focal", 2.0, eps=1e-12, repeats=topk)
    assert_same(here.pairs(ours, "sigmoid_logits"), theirs, f"top {topk}")


def test_more_objects_than_queries():
    here = set_peers.batch("trained", 2, (63, 23, 150), queries=40)
    theirs = set_peers.transformers("HungarianMatcher", here, "softmax_logits", class_cost=1, **WEIGHTS)
    assert [len(query) for query, _ in theirs] == [40, 23, 40]
    assert_same(here.pairs(la.Hungarian.detr(), "softmax_logits"), theirs, "40 queries")


def test_queries_without_finite_logits_come_last_as_in_transformers():
    here = set_peers.batch("trained", 1)
    for bad in (torch.nan, torch.inf, -torch.inf):
        logits = here.logits.clone()
        logits[:, ::3] = bad
        broken = set_peers.Batch(here.scenes, logits, here.boxes)
        theirs = set_peers.transformers("HungarianMatcher", broken, "softmax_logits", class_cost=1, **WEIGHTS)
        ours = broken.pairs(la.Hungarian.detr(), "softmax_logits")
        assert_same(ours, theirs, f"{bad}")
        assert not any((query % 3 == 0).any() for query, _ in ours)


def test_where_nothing_else_is_left_transformers_takes_them_and_we_do_not():
    here = set_peers.batch("trained", 1, (7,), queries=10)
    logits = here.logits.clone()
    logits[:, 4:] = torch.nan
    broken = set_peers.Batch(here.scenes, logits, here.boxes)
    theirs = set_peers.transformers("HungarianMatcher", broken, "softmax_logits", class_cost=1, **WEIGHTS)[0]
    ours = broken.pairs(la.Hungarian.detr(), "softmax_logits")[0]
    assert len(theirs[0]) == 7
    assert ours[0].tolist() == [0, 1, 2, 3]
    assert torch.equal(theirs[0][:4], ours[0])
    boxes = here.boxes.clone()
    boxes[0, 5] = torch.nan
    broken = set_peers.Batch(here.scenes, here.logits, boxes)
    with pytest.raises(ValueError, match="boxes1 must be"):
        set_peers.transformers("HungarianMatcher", broken, "softmax_logits", class_cost=1, **WEIGHTS)
    query, _ = broken.pairs(la.Hungarian.detr(), "softmax_logits")[0]
    assert len(query) == 7
    assert 5 not in query


@pytest.mark.parametrize("name", ["DETR", "RT-DETR"])
def test_among_equal_queries_the_sums_are_equal(name):
    ours, scores_are, (matcher, options) = PEERS[name]
    full = set_peers.batch("trained", 0)
    order = torch.arange(300) // 5
    here = set_peers.Batch(full.scenes, full.logits[:, order], full.boxes[:, order])
    mine = here.pairs(ours, scores_are)
    peer = set_peers.transformers(matcher, here, scores_are, **options, **WEIGHTS)
    torch.testing.assert_close(
        sums(ours, here, scores_are, mine), sums(ours, here, scores_are, peer), rtol=1e-5, atol=1e-5
    )
    for query, _ in mine:  # of five equal queries the first ones
        assert all(int(q) % 5 == 0 or int(q) - 1 in query for q in query)


def test_what_float32_cannot_tell_apart():
    """Above a logit of 10 or so float32 has 1 - p to a few digits, from 17 on none: ours are the lower sums."""
    full = set_peers.batch("trained", 2)
    here = set_peers.Batch(full.scenes, 8 * full.logits, full.boxes)
    rule = la.Hungarian.deformable_detr()
    peer = set_peers.transformers("DeformableDetrHungarianMatcher", here, "sigmoid_logits", class_cost=2, **WEIGHTS)
    pairs = (here.pairs(rule, "sigmoid_logits"), peer)
    ours, theirs = (sums(rule, here, "sigmoid_logits", each) for each in pairs)
    assert (ours <= theirs + 1e-4).all()
    assert (ours < theirs - 0.1).any()
