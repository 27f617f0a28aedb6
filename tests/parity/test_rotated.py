"""Rotated boxes against shapely's polygons, and probIoU against its matrix form and ultralytics.

mmrotate is no oracle here: its overlaps are compiled operators of mmcv, which has none on PyPI for this torch.
"""

import numpy as np
import pytest
import torch
from shapely import Point, affinity, intersection
from shapely import box as rectangle

import labelassign as la
from labelassign import geometry
from tests.parity import central_peers

PAIRS = 1200
# float32 rounds our answer, and float64 coordinates of some hundred pixels the oracle's corners
TOLERANCE = 2e-6
GRID = 1e-10  # pixels


def polygon(box):
    x, y, w, h, angle = box.tolist()
    # shapely counts from x to y, as here; with y down that is clockwise
    turned = affinity.rotate(rectangle(-w / 2, -h / 2, w / 2, h / 2), angle, origin=(0, 0), use_radians=True)
    return affinity.translate(turned, x, y)


def some(n, *, size=(2.0, 60.0), spread=80.0):
    low, high = np.log(size)
    sides = torch.exp(low + (high - low) * torch.rand(n, 2, dtype=torch.float64))
    return torch.cat([spread * torch.rand(n, 2), sides, 8 * torch.rand(n, 1) - 4], 1).double()


def moved(boxes, along, down):
    """Boxes shifted by shares of their own sides."""
    cos, sin = torch.cos(boxes[:, 4]), torch.sin(boxes[:, 4])
    out, u, v = boxes.clone(), along * boxes[:, 2], down * boxes[:, 3]
    out[:, 0] += u * cos - v * sin
    out[:, 1] += u * sin + v * cos
    return out


def pairs(kind):
    a = some(PAIRS)
    if kind == "random":
        return a, some(PAIRS)
    if kind == "equal":
        return a, a.clone()
    if kind == "sides exchanged":
        return a, torch.cat([a[:, :2], a[:, [3, 2]], a[:, 4:] + torch.pi / 2], 1)
    if kind == "touching along a side":
        return a, moved(a, 1.0, 0.0)
    if kind == "sharing a side's line":
        return a, moved(a, 0.4, 0.0)
    if kind == "touching at a corner":
        return a, moved(a, 1.0, 1.0)
    if kind == "nearly parallel":
        return a, a + torch.tensor([0, 0, 0, 0, 1.0]) * 10.0 ** torch.randint(-12, -3, (PAIRS, 1))
    if kind == "square angles":
        return a, torch.cat([some(PAIRS)[:, :4], a[:, 4:] + torch.randint(-4, 5, (PAIRS, 1)) * torch.pi / 2], 1)
    if kind == "one inside":
        return a, torch.cat([a[:, :2], a[:, 2:4] / 9, some(PAIRS)[:, 4:]], 1)
    if kind == "thin":
        return some(PAIRS, size=(0.01, 300.0)), some(PAIRS, size=(0.01, 300.0))
    if kind == "tiny and huge":
        return some(PAIRS, size=(1e-3, 1e-2), spread=1.0), some(PAIRS, size=(0.1, 1e4), spread=1.0)
    assert kind == "without area"
    flat = a.clone()
    flat[: PAIRS // 2, 2] = 0
    flat[PAIRS // 3 :, 3] = 0
    return flat, torch.cat([some(PAIRS // 2), flat[PAIRS // 2 :]])


KINDS = [
    "random", "equal", "sides exchanged", "touching along a side", "sharing a side's line", "touching at a corner",
    "nearly parallel", "square angles", "one inside", "thin", "tiny and huge", "without area",
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_overlaps_are_those_of_polygons(kind):
    a, b = pairs(kind)
    shapes = [(polygon(p), polygon(q)) for p, q in zip(a, b, strict=True)]
    # without a grid GEOS 3.14 finds one whole box in the other in 1% of the pairs that share a side
    both = torch.tensor([intersection(p, q, grid_size=GRID).area for p, q in shapes]).double()
    area, other = torch.tensor([[p.area, q.area] for p, q in shapes]).double().unbind(1)
    want = both / (area + other - both).clamp(min=1e-300)
    got = geometry.rotated_iou(a, b)
    assert ((got >= 0) & (got <= 1)).all()
    assert (got - want).abs().max() < TOLERANCE
    assert (geometry.rotated_iou(b, a) - got).abs().max() < 1e-6
    if kind.startswith("touching"):
        assert not got.any(), "boxes that only touch have nothing in common"
    if kind == "equal":
        assert (got == 1).all()
    held = torch.where(area > 0, both / area.clamp(min=1e-300), 0.0)
    inside = torch.where(area > 0, geometry.covered(a, b), 0.0)
    assert (inside - held).abs().max() < 2e-5  # of a tiny area in a huge one
    far = torch.tensor([p.distance(q) for p, q in shapes]) > 1e-9
    assert not got[far].any(), "disjoint boxes overlap"


def test_every_pair_is_the_pair_by_itself():
    a, b = some(7), some(5)
    table = geometry.pairwise_rotated_iou(a, b)
    assert torch.equal(table, geometry.pairwise_iou(a, b))
    for i in range(7):
        assert torch.equal(table[i], torch.stack([geometry.rotated_iou(a[i], each) for each in b]))


def test_corners_and_inside_are_those_of_polygons():
    boxes, points = some(400), 90 * torch.rand(400, 2).double()
    yes = geometry.inside_rotated(points, boxes)
    for box, four, point, within in zip(boxes, geometry.corners(boxes), points, yes.tolist(), strict=True):
        shape = polygon(box)
        order = shape.exterior.coords[3], shape.exterior.coords[0], shape.exterior.coords[1], shape.exterior.coords[2]
        assert np.allclose(four, np.array(order), atol=1e-4)
        if shape.exterior.distance(Point(point)) > 1e-6:
            assert within == shape.contains(Point(point))


def gaussians(boxes):
    """Means and covariances of uniform rectangles, float64."""
    x, y, w, h, angle = boxes.numpy().T
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.stack([np.stack([cos, -sin], -1), np.stack([sin, cos], -1)], -2)
    spread = np.zeros((len(boxes), 2, 2))
    spread[:, 0, 0], spread[:, 1, 1] = w**2 / 12, h**2 / 12
    return np.stack([x, y], -1), turn @ spread @ turn.swapaxes(-1, -2)


def test_prob_iou_is_the_hellinger_distance_of_gaussians():
    a, b = some(3000, spread=50.0), some(3000, spread=50.0)
    (mean, one), (other_mean, other) = gaussians(a), gaussians(b)
    middle, apart = (one + other) / 2, (mean - other_mean)[..., None]
    distance = (apart.swapaxes(-1, -2) @ np.linalg.inv(middle) @ apart)[:, 0, 0] / 8
    distance += np.log(np.linalg.det(middle) / np.sqrt(np.linalg.det(one) * np.linalg.det(other))) / 2
    want = 1 - np.sqrt(1 - np.exp(-distance))
    got = geometry.prob_iou(a, b)
    assert np.abs(got.numpy() - want).max() < 1e-6
    assert torch.allclose(got, geometry.prob_iou(b, a), rtol=1e-6)
    assert (geometry.prob_iou(a, a) == 1).all()
    flat = a * torch.tensor([1.0, 1, 0, 1, 1])
    assert not geometry.prob_iou(flat, b).any()
    assert not geometry.prob_iou(flat, flat).any()
    square = a[:, [0, 1, 2, 2, 4]]
    assert torch.allclose(geometry.prob_iou(square, square + torch.tensor([0, 0, 0, 0, 0.7])), torch.ones(()))


def test_prob_iou_is_that_of_ultralytics_but_for_its_constants():
    peer = central_peers.ultralytics_module("ultralytics.utils.metrics")
    a, b = some(4000, size=(4.0, 200.0)), some(4000, size=(4.0, 200.0))
    b[:1000] = a[:1000] + 0.02 * torch.randn(1000, 5)
    got = geometry.prob_iou(a, b).double()
    for want in (peer.probiou(a, b).flatten(), peer.batch_probiou(a[:300], b[:300]).diagonal()):
        near = got[: len(want)]
        # theirs adds 1e-7 to the squared distance, and takes a Bhattacharyya distance of 1e-7 at least
        least = torch.sqrt((1 - near).square() + 2e-7) - (1 - near) + 1e-6
        assert ((near - want).abs() <= least).all()
    assert ((got - peer.probiou(a, b).flatten()).abs() < 1e-6).float().mean() > 0.7


def scene(seed, objects=6):
    torch.manual_seed(seed)
    priors = la.Priors.points(image_size=(256, 320), strides=(8, 16, 32))
    boxes = torch.cat([torch.rand(objects, 2) * torch.tensor([300.0, 240.0]) + 10,
                       20 + 80 * torch.rand(objects, 2), 3 * torch.rand(objects, 1) - 1.5], 1)  # fmt: skip
    gt = la.GroundTruth.from_list([{"boxes": boxes, "labels": torch.randint(0, 4, (objects,))}])
    near = torch.cdist(geometry.centres(priors.boxes), boxes[:, :2]).argmin(1)
    noise = torch.randn(priors.count, 5) * torch.tensor([5.0, 5.0, 4.0, 4.0, 0.15])
    predicted = (boxes[near] + noise).clamp(min=torch.tensor([-1e3, -1e3, 4.0, 4.0, -9.0]))
    return priors, gt, la.Predictions(predicted[None], torch.randn(1, priors.count, 4))


@pytest.mark.parametrize("seed", range(20))
def test_task_aligned_is_that_of_ultralytics(seed):
    priors, gt, seen = scene(seed)
    a = la.TaskAligned.ultralytics_obb()(priors, gt, seen)
    row, target = central_peers.ultralytics(
        priors, gt, seen.boxes[0], seen.scores[0], name="RotatedTaskAlignedAssigner"
    )
    assert torch.equal(a.gt_index[0], row)
    assert a.positive.sum() > 20
    assert torch.allclose(a.cls_target[0], target, atol=1e-4)


def test_ultralytics_widens_small_objects_too():
    priors = la.Priors.points(image_size=(64, 64), strides=(8, 16, 32))
    gt = la.GroundTruth.from_list([{"boxes": [[33.0, 30.0, 6.0, 3.0, 0.5]], "labels": [0]}])
    torch.manual_seed(0)
    boxes = gt.boxes.expand(priors.count, 5) + torch.rand(priors.count, 1)
    seen = la.Predictions(boxes[None], torch.randn(1, priors.count, 4))
    a = la.TaskAligned.ultralytics_obb()(priors, gt, seen)
    row, _ = central_peers.ultralytics(priors, gt, boxes, seen.scores[0], name="RotatedTaskAlignedAssigner")
    assert torch.equal(a.gt_index[0], row)
    assert a.positive.sum() > 1
