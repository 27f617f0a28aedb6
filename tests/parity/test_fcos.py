"""FCOS.mmdet and FCOS.torchvision against the two systems' own code: no prior differs, on whole pixels either.

Both find the first of equal areas, and no step of theirs is rounded in another way than ours.
"""

import functools

import pytest
import torch

import labelassign as la
from tests.parity import fcos_peers
from tests.parity.awkward_scenes import NAMES, awkward
from tests.parity.scenes import SEEDS, Scene, assert_same, image_rows, pack, scene, scenes

SIZES = ((640, 640), (800, 1333))
SIDES = {size: f"{size[0]} x {size[1]}" for size in SIZES}
sizes = pytest.mark.parametrize("size", SIZES, ids=SIDES.values())
seeds = pytest.mark.parametrize("seed", SEEDS)
whole_pixels = pytest.mark.parametrize("integer", [False, True], ids=["continuous", "whole pixels"])
# Two divisions, a product and a root in float32 there, float64 rounded once here: under four units in the last place.
CLOSE = {"rtol": 4 * 2.0**-23, "atol": 0.0}


def compare(assigner, peer, batch, size):
    """All scenes in one call of ours, one by one there."""
    found = [peer(each, size) for each in batch]
    a = assigner(found[0].priors, pack(batch))
    for mine, quality, theirs, here in zip(image_rows(a), a.quality, found, batch, strict=True):
        assert_same(mine, theirs.row, f"{size}, {len(here.boxes)} objects")
        torch.testing.assert_close(quality, theirs.centerness, **CLOSE)
    return a


@seeds
@sizes
@whole_pixels
@pytest.mark.parametrize("sampling", [False, True], ids=["whole object", "centre sampling"])
def test_mmdet(seed, size, integer, sampling):
    peer = functools.partial(fcos_peers.mmdet, center_sampling=sampling)
    a = compare(la.FCOS.mmdet(center_sampling=sampling), peer, scenes(seed, integer=integer), size)
    assert a.positive.sum() > 500


@pytest.mark.parametrize("radius", [0.5, 2.25])
def test_mmdet_with_another_radius(radius):
    peer = functools.partial(fcos_peers.mmdet, center_sampling=True, radius=radius)
    compare(la.FCOS.mmdet(center_sampling=True, radius=radius), peer, scenes(1, (7, 63)), SIZES[1])


def test_mmdet_with_its_own_ranges():
    """Published for strides of 8 to 128, where they are the 4 to 8 strides that we take."""
    batch, ranges = scenes(2, (7, 63), integer=True), fcos_peers.RANGES
    compare(la.FCOS.mmdet(ranges=ranges), fcos_peers.mmdet, batch, SIZES[1])


@seeds
@sizes
@whole_pixels
def test_torchvision(seed, size, integer):
    a = compare(la.FCOS.torchvision(), fcos_peers.torchvision, scenes(seed, integer=integer), size)
    assert a.positive.sum() > 500


@pytest.mark.parametrize("name", NAMES)
def test_awkward_scenes(name):
    here = [awkward()[name]]
    for sampling in (False, True):
        peer = functools.partial(fcos_peers.mmdet, center_sampling=sampling)
        compare(la.FCOS.mmdet(center_sampling=sampling), peer, here, SIZES[1])
    compare(la.FCOS.torchvision(), fcos_peers.torchvision, here, SIZES[1])


@seeds
@whole_pixels
def test_the_plain_class_differs_from_torchvision_by_documented_defects_only(seed, integer):
    """It differs where two areas are one in float32 beside 1e8, or where a distance is at the end of a range."""
    for here in scenes(seed, (63, 150), integer=integer):
        theirs = fcos_peers.torchvision(here, SIZES[1])
        mine = image_rows(la.FCOS()(theirs.priors, pack([here])))[0]
        area = la.geometry.area(here.boxes)
        centre = la.geometry.centres(theirs.priors.boxes)
        for prior in (mine != theirs.row).nonzero().squeeze(1).tolist():
            a, b = int(mine[prior]), int(theirs.row[prior])
            sides = torch.stack([centre[prior] - here.boxes[a, :2], here.boxes[a, 2:] - centre[prior]])
            at_the_end = sides.max() in theirs.priors.strides[prior] * torch.tensor([4.0, 8.0])
            tied = b >= 0 and 1e8 - area[a] == 1e8 - area[b] and area[a] < area[b]
            assert tied or at_the_end, f"prior {prior}: objects {a} and {b} of {area[a]} and {area[b]}"


# ------------------------------------------------------------------------------------------ measured facts


def rows(found):
    return set(found.row.tolist())


def of(*boxes):
    return Scene(torch.tensor(boxes, dtype=torch.float32), torch.zeros(len(boxes), dtype=torch.int64))


def test_torchvision_takes_the_larger_of_two_objects_where_areas_tie():
    """The preset agrees; the plain class and mmdet take the smaller one."""
    two = of([200, 200, 300, 300], [200, 200, 300, 299.96875])
    compared = fcos_peers.torchvision(two, SIZES[0])
    assert rows(compared) == {-1, 0}
    owned = int((compared.row == 0).sum())
    assert la.FCOS.torchvision()(compared.priors, pack([two])).per_gt_count.tolist() == [owned, 0]
    assert la.FCOS()(compared.priors, pack([two])).per_gt_count.tolist() == [0, owned]
    assert rows(fcos_peers.mmdet(two, SIZES[0])) == {-1, 1}


def test_torchvision_drops_an_object_at_the_end_of_a_range():
    """The point in the middle is 64 pixels from all sides: on neither of two levels there, on both in the paper."""
    here = of([64, 64, 192, 192])
    theirs = fcos_peers.torchvision(here, SIZES[0])
    middle = (la.geometry.centres(theirs.priors.boxes) == 128).all(1) & (theirs.priors.strides < 32)
    assert theirs.row[middle].tolist() == [-1, -1]
    for assigner, want in ((la.FCOS.torchvision(), [-1, -1]), (la.FCOS(), [0, 0]), (la.FCOS.mmdet(), [0, 0])):
        assert assigner(theirs.priors, pack([here])).gt_index[0, middle].tolist() == want


def test_mmdet_loses_a_huge_object_to_one_that_does_not_match():
    """The preset agrees; the plain class gives the points to the only object that they lie in."""
    huge, small, beyond = [-7000.0, -7000, 7500, 7500], [100.0, 100, 140, 140], [-2e8, -2e8, 2e8, 2e8]
    # a distance above 1e8 is beyond its last range, too
    for boxes, owned in (([huge], True), ([huge, small], False), ([huge, huge], True), ([beyond], False)):
        here = of(*boxes)
        theirs = fcos_peers.mmdet(here, SIZES[0])
        assert (0 in rows(theirs)) is owned
        a = la.FCOS.mmdet()(theirs.priors, pack([here]))
        assert_same(image_rows(a)[0], theirs.row, "a huge object")
        assert la.Reason(int(a.reason[0])).name == ("FINE" if owned else "REJECTED")
        assert la.FCOS(center_sampling=False)(theirs.priors, pack([here])).per_gt_count[0] > 0


@pytest.mark.parametrize("side", [10000.0, 9999.5, 10000.5])
def test_an_area_of_a_hundred_million(side):
    """Exactly 1e8 is no object in either system; above, mmdet may keep one that is alone, torchvision none."""
    here = of([-4680.0, -4680, side - 4680, side - 4680])
    for preset, peer in ((la.FCOS.mmdet(), fcos_peers.mmdet), (la.FCOS.torchvision(), fcos_peers.torchvision)):
        compare(preset, peer, [here], SIZES[0])
    assert (0 in rows(fcos_peers.mmdet(here, SIZES[0]))) is (side != 10000)
    assert (0 in rows(fcos_peers.torchvision(here, SIZES[0]))) is (side < 10000)


def test_scenes_hold_what_these_tests_are_about():
    """Objects inside each other, so that areas compete, and areas that tie beside 1e8."""
    areas = [1e8 - la.geometry.area(each.boxes) for each in scenes(1, (150,))]
    assert any(len(each.unique()) < len(each) for each in areas)
    here = scene(63, 1)
    alone = la.FCOS.mmdet()(fcos_peers.mmdet(here, SIZES[1]).priors, pack([here])).per_gt_count
    single = [Scene(here.boxes[i : i + 1], here.labels[i : i + 1]) for i in range(63)]
    each = la.FCOS.mmdet()(fcos_peers.mmdet(here, SIZES[1]).priors, pack(single)).per_gt_count
    assert (each - alone).sum() > 100
