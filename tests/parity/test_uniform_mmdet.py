"""Uniform.mmdet against mmdet's UniformAssigner.

A sum of distances ties on a grid by construction: the cells to the right of and below an object's cell are equally far,
and rounding decides which of them topk takes. Without a grid no prior may differ; on one every difference is traced to
such a tie, and given each side's choices the rule gives each side's answer.
"""

import logging

import pytest
import torch

import labelassign as la
from tests.parity import mmdet_stub, uniform_peers
from tests.parity.awkward_scenes import NAMES, awkward
from tests.parity.scenes import SEEDS, Scene, assert_same, image_rows, pack, scene, scenes
from tests.parity.uniform_peers import predictions, priors

LOG = logging.getLogger(__name__)
seeds = pytest.mark.parametrize("seed", SEEDS)


def shaken():
    """YOLOF's anchors off the grid."""
    g, boxes = torch.Generator().manual_seed(5), priors().boxes
    return la.Priors.from_boxes(boxes + 3 * torch.rand(boxes.shape, generator=g))


def both(where, here, seed, **options):
    p = predictions(here, seed)
    names = {"match_times": "match_times", "pos_ignore": "pos_ignore_thr", "neg_ignore": "neg_ignore_thr"}
    theirs = uniform_peers.uniform(
        where.boxes, p.boxes[0], here, **{names[name]: value for name, value in options.items()}
    )
    return la.Uniform.mmdet(**options)(where, pack([here]), p), theirs, p


@seeds
def test_no_prior_differs_off_the_grid(seed):
    for here in scenes(seed):
        a, theirs, _ = both(shaken(), here, seed)
        assert_same(image_rows(a)[0], theirs.row, f"seed {seed}, {len(here.boxes)} objects")
        assert len(here.boxes) < 7 or (a.positive.sum() > 20 and a.ignored.sum() > 100)


@pytest.mark.parametrize(
    "options", [{"match_times": 1}, {"match_times": 9}, {"pos_ignore": 0.4}, {"neg_ignore": 0.3}, {"neg_ignore": 0.9}]
)
def test_no_prior_differs_with_other_options(options):
    for here in scenes(1, (7, 63)):
        a, theirs, _ = both(shaken(), here, 1, **options)
        assert_same(image_rows(a)[0], theirs.row, f"{options}, {len(here.boxes)} objects")


@pytest.mark.parametrize("name", NAMES)
def test_awkward_scenes(name):
    here = awkward()[name]
    a, theirs, _ = both(shaken(), here, 3)
    assert_same(image_rows(a)[0], theirs.row, name)


def their_choices(boxes, here, times=4):
    """UniformAssigner's own distances and call of topk `[G, times]`."""
    change = mmdet_stub.module("mmdet.structures.bbox").bbox_xyxy_to_cxcywh
    cost = torch.cdist(change(boxes), change(here.boxes), p=1)
    return torch.topk(cost, k=times, dim=0, largest=False).indices.T


def distances(boxes, box):
    """In float64, rounded once."""
    form = torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)
    return (form[1:] - form[:1]).abs().sum(1).float()


def our_choices(boxes, here, times=4):
    """Nearest first, of equally near ones the lower index."""
    far = [distances(torch.cat([box[None], boxes]).double(), box) for box in here.boxes]
    return torch.stack([each.sort(stable=True).indices[:times] for each in far])


def by_rule(where, p, here, predicted, placed):
    """What is written last stays: rank by rank, predictions before anchors, row by row."""
    iou = la.geometry.pairwise_iou(where.boxes, here.boxes)
    seen = la.geometry.pairwise_iou(p.boxes[0], here.boxes).amax(1)
    out = torch.where(seen > 0.7, la.IGNORE, la.BACKGROUND)
    for rank in range(predicted.shape[1]):
        for choice in (predicted, placed):
            for row, prior in enumerate(choice[:, rank].tolist()):
                out[prior] = row if iou[prior, row] >= 0.15 else la.IGNORE
    return out


@seeds
@pytest.mark.parametrize("integer", [False, True], ids=["continuous", "whole pixels"])
def test_every_difference_on_the_grid_is_a_tie(seed, integer):
    where, differing, swapped = priors(), 0, 0
    for count in (7, 23, 63):
        here = scene(count, seed, integer=integer)
        a, theirs, p = both(where, here, seed)
        ours = [our_choices(boxes, here) for boxes in (p.boxes[0], where.boxes)]
        peer = [their_choices(boxes, here) for boxes in (p.boxes[0], where.boxes)]
        assert torch.equal(ours[0], peer[0]), "predictions lie on no grid"
        for row in range(count):
            far = distances(torch.cat([here.boxes[row][None], where.boxes]).double(), here.boxes[row])
            # the same distances, rank by rank, up to their rounding of coordinates as large as the image
            assert (far[ours[1][row]] - far[peer[1][row]]).abs().max() <= 4 * 1344 * 2.0**-23
            swapped += int((ours[1][row] != peer[1][row]).sum())
        assert_same(image_rows(a)[0], by_rule(where, p, here, *ours), f"rule on our choices, {count} objects")
        assert_same(theirs.row, by_rule(where, p, here, *peer), f"rule on mmdet's choices, {count} objects")
        differing += int((image_rows(a)[0] != theirs.row).sum())
    LOG.info("%d choices swapped, %d priors differ", swapped, differing)
    assert swapped, "these scenes hold no ties, and prove nothing"


def test_mmdet_lists_a_prior_twice_that_serves_one_object_twice():
    """Differ on purpose. Its box loss runs over pairs, four by prediction and four by anchor; ours over positives."""
    here = scene(1, 3)
    exact = la.Predictions(priors().boxes[None], torch.zeros(1, priors().count, 80))  # so both sides choose alike
    theirs = uniform_peers.uniform(priors().boxes, exact.boxes[0], here, pos_ignore_thr=0.0)
    assert len(theirs.predicted) == 8
    assert len(theirs.predicted.unique(dim=0)) == int((theirs.row >= 0).sum()) == 4
    for assigner in (la.Uniform(pos_ignore=0.0), la.Uniform.mmdet(pos_ignore=0.0)):
        a = assigner(priors(), pack([here]), exact)
        assert a.per_gt_count.tolist() == [4]
        assert a.loc_weight.sum() == 4


def test_mmdet_lists_a_prior_for_two_objects_and_labels_it_for_one():
    """Differ on purpose: in its list each of the twins has all its pairs; in its labels, and here, one owns them."""
    here = scene(1, 3)
    twins = Scene(here.boxes.repeat(2, 1), here.labels.repeat(2))
    a, theirs, _ = both(shaken(), twins, 3)
    assert len(theirs.targets) == 2 * len(both(shaken(), here, 3)[1].targets)
    assert set(theirs.row[theirs.row >= 0].tolist()) == {1}
    assert a.reasons == ["LOST", "FINE"]
    p = predictions(twins, 3)
    assert la.Uniform()(shaken(), pack([twins]), p).reasons == ["FINE", "LOST"]


def test_the_less_close_object_wins_in_mmdet():
    """The preset agrees; the plain class gives the contested prior to the object that is closer to it."""
    boxes = torch.tensor([[0.0, 0, 40, 40], [50, 0, 90, 40]])
    near, far = [1.0, 0, 41, 40], [22.0, 0, 62, 40]  # both are closest to the first prior
    p = la.Predictions(boxes[None], torch.zeros(1, 2, 80))
    for objects, last in (([near, far], 1), ([far, near], 1)):
        here = Scene(torch.tensor(objects), torch.zeros(2, dtype=torch.int64))
        theirs = uniform_peers.uniform(boxes, boxes, here, match_times=1)
        where = la.Priors.from_boxes(boxes)
        assert theirs.row.tolist() == image_rows(la.Uniform.mmdet(1)(where, pack([here]), p))[0].tolist() == [last, -1]
        assert image_rows(la.Uniform(1)(where, pack([here]), p))[0].tolist() == [objects.index(near), -1]


def test_more_matches_than_priors_fail_in_mmdet_only():
    here, boxes = scene(7, 0), priors().boxes[:3]
    p = la.Predictions(boxes[None], torch.zeros(1, 3, 80))
    with pytest.raises(RuntimeError, match="out of range"):
        uniform_peers.uniform(boxes, boxes, here)
    assert la.Uniform.mmdet()(la.Priors.from_boxes(boxes), pack([here]), p).reason.shape == (7,)
