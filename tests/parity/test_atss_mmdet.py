"""ATSS.mmdet against mmdet's ATSSAssigner.

Continuous boxes: no prior may differ. On whole pixels a grid holds many priors that are equally near, and topk takes
any of them; there every difference is traced to its cause, of which there are two: which of several priors at exactly
the k-th distance became a candidate, and an overlap within float32 rounding of its threshold.
"""

import logging

import pytest
import torch

import labelassign as la
from tests.parity import atss_rule, mmdet_peers, mmdet_stub
from tests.parity.awkward_scenes import awkward
from tests.parity.scenes import SEEDS, Scene, assert_same, image_rows, pack, priors, scene, scenes

TOPK = 9
LOG = logging.getLogger(__name__)  # --log-cli-level=INFO lists every prior that differs


def ours(batch, where=None, topk=TOPK):
    return image_rows(la.ATSS.mmdet(topk)(where or priors(), pack(batch)))


def theirs(scene, topk=TOPK):
    return mmdet_peers.atss(priors().boxes, priors().level_sizes, scene, topk)


def their_candidates(scene):
    """The candidates that ATSSAssigner takes: its own distances and the same calls of topk."""
    distance = mmdet_stub.module("mmdet.models.task_modules.assigners.atss_assigner").bbox_center_distance
    chosen, begin = [], 0
    for level in distance(scene.boxes, priors().boxes).split(priors().level_sizes):
        chosen.append(level.topk(min(TOPK, len(level)), dim=0, largest=False).indices + begin)
        begin += len(level)
    return list(torch.cat(chosen).T)


def our_candidates(scene):
    """What ATSS promises to take: the nearest by squared distance, of equally near ones the lower index."""
    return [atss_rule.nearest(priors().boxes, priors().level_sizes, box, TOPK) for box in scene.boxes]


def level_of(prior):
    edges = torch.tensor(priors().level_sizes).cumsum(0)
    return torch.searchsorted(edges, prior, right=True)


def swapped_at_the_kth_distance(scene, mine, peer):
    """How many candidates differ; each stands at its level's last distance exactly (squared, or mmdet's root of it)."""
    swapped = 0
    for box, a, b in zip(scene.boxes, mine, peer, strict=True):
        for prior in set(a.tolist()) ^ set(b.tolist()):
            level = level_of(torch.tensor(prior))
            last = a[level_of(a) == level][-1]
            both = [
                atss_rule.centre_distances(priors().boxes[[prior, int(last)]], box, squared=s) for s in (True, False)
            ]
            assert any(pair[0] == pair[1] for pair in both), f"prior {prior} is no tie at rank {TOPK}: {both}"
            swapped += 1
    return swapped


@pytest.mark.parametrize("seed", SEEDS)
def test_no_prior_differs_on_continuous_boxes(seed):
    batch = scenes(seed)
    for mine, here in zip(ours(batch), batch, strict=True):
        assert_same(mine, theirs(here), f"seed {seed}, {len(here.boxes)} objects")


@pytest.mark.parametrize("topk", [1, 4, 40, 100])
def test_no_prior_differs_at_another_topk(topk):
    """100: more than the coarsest level has."""
    batch = scenes(1, (7, 63))
    for mine, here in zip(ours(batch, topk=topk), batch, strict=True):
        assert_same(mine, theirs(here, topk), f"top {topk}, {len(here.boxes)} objects")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("grid", [1, 8], ids=["whole pixels", "whole cells"])
def test_every_difference_on_whole_pixels_is_a_tie_or_rounding(seed, grid):
    differing, swapped = [], 0
    for count in (7, 23, 63):
        here = scene(count, seed, integer=True)
        here = Scene((here.boxes / grid).round() * grid + torch.tensor([0, 0, grid - 1, grid - 1]), here.labels)
        mine, peer = ours([here])[0], theirs(here)
        candidates = our_candidates(here), their_candidates(here)
        swapped += swapped_at_the_kth_distance(here, *candidates)
        # the rule of the paper, given each side's candidates, gives each side's answer
        by_rule, _ = atss_rule.assign(priors().boxes, here.boxes, candidates[0])
        assert_same(mine, by_rule, f"rule on our candidates, {count} objects")
        by_rule, unsure = atss_rule.assign(priors().boxes, here.boxes, candidates[1])
        assert_same(peer.where(~unsure, -1), by_rule.where(~unsure, -1), f"rule on mmdet's candidates, {count} objects")
        differing += [(count, int(p), int(mine[p]), int(peer[p])) for p in (mine != peer).nonzero()]
    LOG.info("%d candidates swapped at rank k; (objects, prior, ours, mmdet) %s", swapped, differing)
    assert swapped, "these scenes hold no ties, and prove nothing"


def test_priors_outside_the_image_take_no_part():
    """mmdet's head gives the assigner the priors inside the unpadded image, and leaves the others out of the loss."""
    here = scene(23, 1)
    inside = priors().with_image_sizes(torch.tensor([[650.0, 1001.0]]))
    valid, sizes = inside.valid[0], [int(each.sum()) for each in inside.valid[0].split(priors().level_sizes)]
    expected = torch.full((len(valid),), la.IGNORE)
    expected[valid] = mmdet_peers.atss(priors().boxes[valid], tuple(sizes), here)
    assert_same(ours([here], inside)[0], expected, "inside the image")


@pytest.mark.parametrize("name", ["an object far from all priors", "only far objects", "an object without area"])
def test_awkward_objects_without_overlap(name):
    assert_same(ours([awkward()[name]])[0], theirs(awkward()[name]), name)
