"""Box coders against torchvision's and mmdet's."""

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder

import labelassign as la
from tests.parity import mmdet_stub
from tests.parity.scenes import priors, scene

N = 600
STDS = [(1.0, 1.0, 1.0, 1.0), (0.1, 0.1, 0.2, 0.2)]


def some_priors():
    return la.Priors.from_boxes(priors().boxes[:: priors().count // N][:N])


def some_boxes():
    return scene(150, 0).boxes.repeat(4, 1)


def some_deltas():
    """A few of them beyond every clip."""
    g = torch.Generator().manual_seed(2)
    deltas = torch.randn(N, 4, generator=g)
    deltas[::20, 2:] *= 40
    return deltas


def close(ours, theirs):
    torch.testing.assert_close(ours, theirs, rtol=2e-6, atol=1e-4)


@pytest.mark.parametrize("stds", STDS)
def test_torchvision_box_coder(stds):
    ours, theirs = la.DeltaCoder(stds=stds), BoxCoder(tuple(1 / s for s in stds))
    grid = some_priors()
    torch.testing.assert_close(
        ours.encode(grid, some_boxes()), theirs.encode_single(some_boxes(), grid.boxes), rtol=1e-5, atol=1e-5
    )
    close(ours.decode(grid, some_deltas()), theirs.decode_single(some_deltas(), grid.boxes))


@pytest.mark.parametrize("means", [(0.0, 0.0, 0.0, 0.0), (0.1, -0.2, 0.05, 0.3)])
@pytest.mark.parametrize("stds", STDS)
def test_mmdet_delta_coder(stds, means):
    peer = mmdet_stub.module("mmdet.models.task_modules.coders").DeltaXYWHBBoxCoder
    ours, theirs = la.DeltaCoder(means, stds, clip_both=True), peer(list(means), list(stds))
    grid = some_priors()
    torch.testing.assert_close(
        ours.encode(grid, some_boxes()), theirs.encode(grid.boxes, some_boxes()), rtol=1e-5, atol=1e-5
    )
    close(ours.decode(grid, some_deltas()), theirs.decode(grid.boxes, some_deltas()))


def test_only_mmdet_bounds_shrinking():
    """Both bound the growth of a side by 1000 / 16; mmdet also its shrinking."""
    grid, deltas = la.Priors.from_boxes([[0.0, 0, 100, 100]]), torch.tensor([[0.0, 0.0, -9.0, 9.0]])
    widths = [
        float(b[0, 2] - b[0, 0]) for b in (la.DeltaCoder(clip_both=c).decode(grid, deltas) for c in (False, True))
    ]
    torchvision = BoxCoder((1.0,) * 4).decode_single(deltas, grid.boxes)[0]
    mmdet = mmdet_stub.module("mmdet.models.task_modules.coders").DeltaXYWHBBoxCoder().decode(grid.boxes, deltas)[0]
    assert widths == pytest.approx([float(torchvision[2] - torchvision[0]), float(mmdet[2] - mmdet[0])], rel=1e-4)
    assert widths == pytest.approx([100 * 2.718281828**-9, 1.6], rel=1e-3)


@pytest.mark.parametrize("in_strides", [False, True])
def test_distances_to_the_sides(in_strides):
    box = mmdet_stub.module("mmdet.structures.bbox")
    grid, g = la.Priors.points(image_size=(256, 320), strides=(8, 32)), torch.Generator().manual_seed(4)
    distances, coder = 9 * torch.rand(grid.count, 4, generator=g), la.LTRBCoder(in_strides=in_strides)
    unit, points = grid.strides[:, None] if in_strides else 1.0, grid.boxes[:, :2]
    boxes = box.distance2bbox(points, distances * unit)
    assert torch.equal(coder.decode(grid, distances), boxes)
    assert torch.equal(la.decode_ltrb(points, distances * unit), boxes)
    assert torch.equal(coder.encode(grid, boxes), box.bbox2distance(points, boxes) / unit)


@pytest.mark.parametrize("bins", [8, 17])
def test_distances_as_the_mean_of_a_distribution(bins):
    """mmdet counts the intervals (reg_max), not the values."""
    integral = mmdet_stub.module("mmdet.models.dense_heads.gfl_head").Integral(bins - 1)
    grid, g = la.Priors.points(image_size=(128, 160), strides=(8, 16)), torch.Generator().manual_seed(5)
    logits = 3 * torch.randn(2, grid.count, 4 * bins, generator=g)
    torch.testing.assert_close(la.decode_dfl(logits, bins), integral(logits).view(2, -1, 4), rtol=1e-6, atol=1e-5)
    boxes = mmdet_stub.module("mmdet.structures.bbox").distance2bbox(
        grid.boxes[None, :, :2].expand(2, -1, -1), integral(logits).view(2, -1, 4) * grid.strides[:, None]
    )
    torch.testing.assert_close(la.DFLCoder(bins).decode(grid, logits), boxes, rtol=1e-6, atol=1e-3)
