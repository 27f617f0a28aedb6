"""FCOS on points that can be checked by hand or by NumPy."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import labelassign as la
from tests.scenes import IMAGE, STRIDES, ground_truth

POINTS = la.Priors.points(image_size=IMAGE, strides=STRIDES)
LINE = la.Priors.points(shapes=[(1, 10)], strides=(10,))  # at x = 5, 15, ..., 95 and y = 5


def one(*boxes, **fields):
    return la.GroundTruth.from_list([{"boxes": list(boxes), "labels": [0] * len(boxes), **fields}])


def by_the_book(priors, boxes, sampling, radius=1.5):
    """The definition, point by point, in NumPy float64: owner and centerness."""
    points, strides = priors.boxes[:, :2].double().numpy(), priors.strides.double().numpy()
    levels = np.repeat(np.arange(len(priors.level_sizes)), priors.level_sizes)
    owner, centerness = np.full(len(points), -1), np.zeros(len(points))
    for n, ((x, y), stride, level) in enumerate(zip(points, strides, levels, strict=True)):
        low = 0 if level == 0 else 4 * stride
        high = np.inf if level == len(priors.level_sizes) - 1 else 8 * stride
        smallest = np.inf
        for r, (x1, y1, x2, y2) in enumerate(boxes):
            sides = left, top, right, bottom = x - x1, y - y1, x2 - x, y2 - y
            near = not sampling or max(abs(x - (x1 + x2) / 2), abs(y - (y1 + y2) / 2)) < radius * stride
            if min(sides) > 0 and near and low <= max(sides) <= high and (x2 - x1) * (y2 - y1) < smallest:
                smallest, owner[n] = (x2 - x1) * (y2 - y1), r
                across = min(left, right) / max(left, right)
                centerness[n] = (across * min(top, bottom) / max(top, bottom)) ** 0.5
    return owner, centerness


@pytest.mark.parametrize("sampling", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_a_crowd_follows_the_definition(seed, sampling):
    gt = ground_truth((12,), seed=seed)
    a = la.FCOS(center_sampling=sampling)(POINTS, gt)
    owner, centerness = by_the_book(POINTS, gt.boxes.double().numpy(), sampling)
    assert a.gt_index[0].tolist() == owner.tolist()
    assert a.positive.sum() > 20
    np.testing.assert_allclose(a.quality[0].numpy(), centerness, rtol=1e-6)


def test_the_centre_area_is_cut_off_at_the_object_and_open():
    wide, narrow = [0.0, 0, 100, 10], [39.0, 0, 61, 10]
    for radius, box, owned in [
        (1.5, wide, [45, 55]),  # the points at 35 and 65 are 15 away, exactly
        (1.6, wide, [35, 45, 55, 65]),
        (1.5, narrow, [45, 55]),
        (0.4, wide, []),
    ]:
        a = la.FCOS(radius=radius)(LINE, one(box))
        assert LINE.boxes[a.positive[0], 0].tolist() == owned
    assert la.FCOS(center_sampling=False)(LINE, one(wide)).positive.all()
    assert not la.FCOS(center_sampling=False)(LINE, one([5.0, 5, 95, 10])).positive.any(), "on a side is not inside"


def test_the_smallest_area_wins_then_the_lower_row():
    small, large, twin = [20.0, 0, 80, 10], [0.0, 0, 100, 10], [20.0, 0, 80, 10]
    for boxes, want in (([small, large], 0), ([large, small], 1), ([small, twin], 0)):
        a = la.FCOS(center_sampling=False)(LINE, one(*boxes))
        assert set(a.gt_index[0, 3:7].tolist()) == {want}
    assert a.reasons == ["FINE", "LOST"]


def test_ranges_of_levels_meet():
    """The ends belong to both levels: at the common point of two levels the distance is 32 exactly."""
    grid = la.Priors.grid(image_size=IMAGE, strides=(8, 16))
    both = (la.geometry.centres(grid.boxes) == 64).all(1)
    for side, owners in ((63, [0, -1]), (64, [0, 0]), (65, [-1, 0])):
        box = [64 - side, 64 - side, 64 + side, 64 + side]
        assert la.FCOS()(grid, one([float(x) for x in box])).gt_index[0, both].tolist() == owners
        given = la.FCOS(ranges=((0.0, 64.0), (64.0, 1e9)))
        assert given(grid, one([float(x) for x in box])).gt_index[0, both].tolist() == owners


def test_one_level_takes_all_sizes():
    single = la.Priors.points(image_size=IMAGE, strides=(8,))
    for box in ([0.0, 0, 9, 9], [0.0, 0, 160, 128], [-900.0, -900, 1060, 1028]):
        assert la.FCOS()(single, one(box)).reasons == ["FINE"]


def test_empty_levels_are_not_the_first_or_the_last():
    gt = ground_truth((5,))
    padded = replace(POINTS, level_sizes=(0, *POINTS.level_sizes, 0))
    assert torch.equal(la.FCOS()(padded, gt).gt_index, la.FCOS()(POINTS, gt).gt_index)


def test_anchors_stand_for_their_centres():
    gt = ground_truth()
    anchors = la.Priors.grid(image_size=IMAGE, strides=STRIDES, offset=0.5)
    assert not torch.equal(anchors.boxes, POINTS.boxes)
    a, b = la.FCOS()(anchors, gt), la.FCOS()(POINTS, gt)
    assert torch.equal(a.gt_index, b.gt_index)
    assert torch.equal(a.quality, b.quality)


def test_priors_of_each_image():
    gt, moved = ground_truth((4, 3)), POINTS.boxes + 3
    own = la.Priors.from_boxes(
        torch.stack([POINTS.boxes, moved]), level_sizes=POINTS.level_sizes, strides=POINTS.strides
    )
    a = la.FCOS()(own, gt)
    for image, boxes in enumerate((POINTS.boxes, moved)):
        alone = la.FCOS()(replace(POINTS, boxes=boxes), gt)
        assert torch.equal(a.gt_index[image], alone.gt_index[image])


def test_reasons():
    a = la.FCOS()(
        POINTS,
        one(
            [20.0, 20, 60, 60], [300, 300, 340, 340], [12.5, 12.5, 13, 13], [20, 20, 60, 60], [70, 70, 90, 90],
            iscrowd=[0, 0, 0, 0, 1],
        ),
    )  # fmt: skip
    assert a.reasons == ["FINE", "NO_CANDIDATE", "NO_CANDIDATE", "LOST", "IGNORED"]
    # 50 pixels wide and seen from stride 32 alone, where distances start at 128
    far = la.Priors.points(image_size=IMAGE, strides=(1, 32))
    only = replace(far, valid=(far.strides == 32)[None])
    assert la.FCOS()(only, one([24.0, 24, 74, 74])).reasons == ["REJECTED"]


def test_background_in_a_crowd_is_left_out():
    gt = one([20.0, 20, 60, 60], [0, 0, 160, 128], iscrowd=[0, 1])
    a = la.FCOS()(POINTS, gt)
    assert not a.background.any()
    assert a.positive.sum() == la.FCOS.mmdet(center_sampling=True)(POINTS, gt).positive.sum() > 0


def test_areas_too_large_for_float32_still_compare():
    a = la.FCOS(center_sampling=False)(POINTS, one([-1e30, -1e30, 1e30, 1e30], [20, 20, 60, 60]))
    assert a.reasons == ["FINE", "FINE"]
    assert a.quality[a.gt_index == 0].gt(0.99).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: la.FCOS(radius=0), "FCOS: expected `radius` > 0, got 0"),
        (lambda: la.FCOS(rule="fcos"), "FCOS: expected `rule` to be one of .*'paper'.* got 'fcos'"),
        (
            lambda: la.FCOS(ranges=((0.0, 64.0), (64.0, 64.0))),
            r"FCOS: expected `ranges` with lowest < highest, got \(\(",
        ),
        (lambda: la.FCOS(ranges=((0.0, 9.0),))(POINTS, one()), "number of levels everywhere, got ranges: 1, priors: 3"),
        (
            lambda: la.FCOS()(la.Priors.from_boxes([[0, 0, 9, 9]]), one()),
            "FCOS: expected priors with `strides`, got strides=None. .*Priors.points",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_strides_are_needed_only_where_they_are_used():
    boxes = la.Priors.from_boxes(POINTS.boxes, level_sizes=POINTS.level_sizes)
    ranges = ((0.0, 64.0), (64.0, 128.0), (128.0, 1e9))
    bare = la.FCOS(center_sampling=False, ranges=ranges)
    gt = ground_truth((5,))
    assert torch.equal(bare(boxes, gt).gt_index, la.FCOS(center_sampling=False)(POINTS, gt).gt_index)
