"""A mirrored assignment is the assignment of the mirrored scene."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import labelassign as la
from tests.caching.kept import NAMES, same
from tests.scenes import IMAGE, ground_truth, predictions

HEIGHT, WIDTH = IMAGE
STRIDES = (8, 16, 32)
GRIDS = {
    "anchors": la.Priors.grid(image_size=IMAGE, strides=STRIDES, scale=4, offset=0.5),
    "several anchors": la.Priors.grid(image_size=IMAGE, strides=STRIDES, scale=(2, 4), ratios=(0.25, 1, 4), offset=0.5),
    "points": la.Priors.points(image_size=IMAGE, strides=STRIDES),
    "one level, offset 0": la.Priors.grid(image_size=(128, 168), strides=(8,), scale=4),
}
CASES = [
    *(("anchors", assigner) for assigner in (la.ATSS(), la.PAA(), la.SimOTA(), la.TaskAligned())),
    *(("points", assigner) for assigner in (la.FCOS(), la.SimOTA(), la.TaskAligned(), la.DynamicSoftLabel())),
]


def turned(boxes):
    """The boxes, mirrored; exact for boxes on a fine lattice."""
    return torch.stack([WIDTH - boxes[..., 2], boxes[..., 1], WIDTH - boxes[..., 0], boxes[..., 3]], -1)


def fine(boxes):
    return (boxes * 1024).round() / 1024


@pytest.mark.parametrize("kind", GRIDS)
def test_the_order_is_that_of_the_mirrored_boxes(kind):
    priors = GRIDS[kind]
    mirror = la.Mirror(priors, WIDTH)
    assert torch.equal(turned(priors.boxes), priors.boxes[mirror.order])
    assert torch.equal(mirror.order[mirror.order], torch.arange(priors.count))
    assert not torch.equal(mirror.order, torch.arange(priors.count))


IMAGES = st.lists(st.tuples(st.booleans(), st.integers(0, 4)), max_size=4)


@given(st.sampled_from(sorted(GRIDS)), st.integers(0, 10**6), IMAGES)
def test_mirrored_twice_is_itself(kind, seed, images):
    priors = GRIDS[kind]
    gt = ground_truth([0, *(count for _, count in images)], seed=seed)
    which = torch.tensor([True, *(flag for flag, _ in images)])
    mirror, a = la.Mirror(priors, WIDTH), la.FCOS()(priors, gt)
    once = mirror(a, which)
    same(mirror(once, which), a)
    for name in ("reason", "offsets", "per_gt_count"):
        assert torch.equal(getattr(once, name), getattr(a, name))
    for image, flag in enumerate(which):
        order = mirror.order if flag else torch.arange(priors.count)
        assert all(torch.equal(getattr(once, name)[image], getattr(a, name)[image, order]) for name in NAMES[:5])


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(("kind", "assigner"), CASES, ids=[f"{kind}-{type(a).__name__}" for kind, a in CASES])
def test_it_is_the_assignment_of_the_mirrored_scene(kind, assigner, seed):
    priors = GRIDS[kind]
    mirror, gt = la.Mirror(priors, WIDTH), ground_truth((3, 1, 4), seed=seed)
    gt = replace(gt, boxes=fine(gt.boxes), ignore=torch.arange(8) == 5)
    seen = predictions(priors, seed=seed)
    seen = replace(seen, boxes=fine(seen.boxes))
    over = replace(seen, boxes=turned(seen.boxes[:, mirror.order]), scores=seen.scores[:, mirror.order])
    got = mirror(assigner(priors, gt, seen), torch.ones(3, dtype=torch.bool))
    want = assigner(priors, replace(gt, boxes=turned(gt.boxes)), over)
    assert got.positive.any()
    same(got, replace(want, diagnostics={}))


def test_a_cached_answer_is_mirrored_with_its_image(tmp_path):
    priors, gt = GRIDS["anchors"], ground_truth((3, 1, 4))
    lad, teacher, which = la.LAD(la.PAA()), predictions(GRIDS["anchors"]), torch.tensor([True, False, True])
    cache, mirror = la.AssignmentCache(tmp_path, lad, "teacher"), la.Mirror(priors, WIDTH)
    for _ in range(2):
        a = mirror(cache(["a", "b", "c"], priors, gt, lambda: lad(priors, gt, teacher=teacher)), which)
    flipped = replace(gt, boxes=torch.where(which[gt.image_of, None], turned(gt.boxes), gt.boxes))
    places = la.Priors.points(image_size=IMAGE, strides=STRIDES).boxes[:, :2]
    own = a.targets(flipped, background=6).boxes[a.positive]
    away = (places.expand(3, -1, 2)[a.positive] - (own[:, :2] + own[:, 2:]) / 2).abs().amax(1)
    assert (away <= 80).all()  # as far as anchors of 128 pixels that overlap
    assert torch.equal(a.per_gt_count, lad(priors, gt, teacher=teacher).per_gt_count)


def test_equal_priors_change_places_in_order():
    twice = la.Priors.from_boxes([[0, 0, 8, 8], [0, 0, 8, 8], [24, 0, 32, 8], [24, 0, 32, 8], [12, 0, 20, 8]])
    assert la.Mirror(twice, 32).order.tolist() == [2, 3, 0, 1, 4]


def test_rotated_priors_turn_the_other_way():
    boxes = [[4, 8, 6, 2, 0.5], [28, 8, 6, 2, -0.5], [16, 8, 6, 2, 0.0], [4, 8, 6, 2, -0.5], [28, 8, 6, 2, 0.5]]
    assert la.Mirror(la.Priors.from_boxes(boxes), 32).order.tolist() == [1, 0, 2, 4, 3]
