"""Grids of priors and their valid flags against mmdet's and torchvision's generators."""

import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.image_list import ImageList

import labelassign as la
from tests.parity import mmdet_stub

STRIDES = (8, 16, 32)
SHAPES = [(25, 34), (13, 17), (7, 9)]  # of 200 x 272 pixels
OCTAVES = tuple(4 * 2 ** (i / 3) for i in range(3))
LAYOUTS = {
    "one": ((8.0,), (1.0,)),
    "ratios": ((8.0,), (0.5, 1.0, 2.0)),
    "octaves": (OCTAVES, (1.0,)),
    "both": (OCTAVES, (0.5, 1.0, 2.0)),
}


def mmdet_generator(scales, ratios, offset=0.0):
    generators = mmdet_stub.module("mmdet.models.task_modules.prior_generators")
    return generators.AnchorGenerator(
        strides=list(STRIDES), ratios=list(ratios), scales=list(scales), center_offset=offset
    )


@pytest.mark.parametrize("offset", [0.0, 0.5])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_mmdet_anchors(layout, offset):
    """mmdet's offset shifts by a share of the anchor's base size, which is the stride: the same share of a cell."""
    scales, ratios = LAYOUTS[layout]
    theirs = mmdet_generator(scales, ratios, offset).grid_priors(SHAPES, device="cpu")
    ours = la.Priors.grid(SHAPES, strides=STRIDES, scale=scales, ratios=ratios, offset=offset)
    assert ours.level_sizes == tuple(len(level) for level in theirs)
    assert ours.per_cell == len(scales) * len(ratios)
    torch.testing.assert_close(ours.boxes, torch.cat(theirs), rtol=1e-6, atol=2e-5)


def test_mmdet_anchors_of_the_published_configuration_bit_for_bit():
    theirs = torch.cat(mmdet_generator((8,), (1.0,)).grid_priors(SHAPES, device="cpu"))
    assert torch.equal(la.Priors.grid(image_size=(200, 272), strides=STRIDES, scale=8).boxes, theirs)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_torchvision_anchors(layout):
    """torchvision rounds the sides of an anchor to whole pixels: up to one pixel a side away from ours."""
    scales, ratios = LAYOUTS[layout]
    height, width = 256, 320  # a multiple of every stride: torchvision infers strides by division
    generator = AnchorGenerator(
        tuple(tuple(s * stride for s in scales) for stride in STRIDES), (ratios,) * len(STRIDES)
    )
    maps = [torch.zeros(1, 1, height // stride, width // stride) for stride in STRIDES]
    theirs = generator(ImageList(torch.zeros(1, 3, height, width), [(height, width)]), maps)[0]
    ours = la.Priors.grid(image_size=(height, width), strides=STRIDES, scale=scales, ratios=ratios).boxes
    cells = ours.new_tensor([[x, y, x, y] for s in STRIDES for y in range(0, height, s) for x in range(0, width, s)])
    cells = cells.repeat_interleave(len(scales) * len(ratios), 0)
    torch.testing.assert_close((ours - cells).round() + cells, theirs, rtol=0.0, atol=0.0)


@pytest.mark.parametrize("offset", [0.0, 0.5])
@pytest.mark.parametrize("layout", ["one", "both"])
@pytest.mark.parametrize("size", [(200, 272), (199, 265), (193, 257), (192, 256), (100, 271), (8, 9), (1, 1)], ids=str)
def test_mmdet_valid_flags(size, layout, offset):
    """A prior is valid whose cell begins inside the unpadded image."""
    scales, ratios = LAYOUTS[layout]
    flags = torch.cat(mmdet_generator(scales, ratios, offset).valid_flags(SHAPES, size, device="cpu"))
    grid = la.Priors.grid(SHAPES, strides=STRIDES, scale=scales, ratios=ratios, offset=offset)
    ours = grid.with_image_sizes(torch.tensor([size, (200, 272)]).float()).valid
    assert torch.equal(ours[0], flags.bool())
    assert ours[1].all()


@pytest.mark.filterwarnings("ignore:torch.meshgrid")
def test_mmdet_points():
    generator = mmdet_stub.module("mmdet.models.task_modules.prior_generators").MlvlPointGenerator(list(STRIDES), 0.5)
    theirs = torch.cat(generator.grid_priors(SHAPES, device="cpu"))
    assert torch.equal(la.Priors.points(SHAPES, strides=STRIDES).boxes, torch.cat([theirs, theirs], 1))
