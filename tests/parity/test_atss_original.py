"""ATSS.original against the paper's algorithm written as a loop, with several anchors per cell.

The authors' code takes `topk` candidates times the anchors per cell from each level; mmdet does not multiply.
"""

import pytest
import torch

import labelassign as la
from tests.parity import atss_rule, mmdet_peers
from tests.parity.scenes import Scene, assert_same, image_rows, pack

STRIDES = (8, 16, 32, 64)
OCTAVE = tuple(4 * 2 ** (i / 3) for i in range(3))


def small_scene(count, seed):
    """Objects on 320 x 480 pixels, continuous coordinates."""
    g = torch.Generator().manual_seed(100 * seed + count)
    size = torch.exp(3.6 + 0.8 * torch.randn(count, 1, generator=g) + 0.3 * torch.randn(count, 2, generator=g))
    size = size.clamp(3, 300)
    corner = torch.rand(count, 2, generator=g) * (torch.tensor([480.0, 320.0]) - size)
    return Scene(torch.cat([corner, corner + size], 1), torch.zeros(count, dtype=torch.int64))


def grid(ratios, scales):
    return la.Priors.grid(image_size=(320, 480), strides=STRIDES, scale=scales, ratios=ratios, offset=0.5)


def by_the_loop(priors, scene, topk):
    candidates = [atss_rule.nearest(priors.boxes, priors.level_sizes, box, topk) for box in scene.boxes]
    return atss_rule.assign(priors.boxes, scene.boxes, candidates)[0]


LAYOUTS = {"3 scales": ((1.0,), OCTAVE), "3 ratios": ((0.5, 1.0, 2.0), (8.0,)), "9": ((0.5, 1.0, 2.0), OCTAVE)}


@pytest.mark.parametrize("topk", [1, 4, 9])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_prior_differs_with_several_anchors_per_cell(layout, topk):
    priors = grid(*LAYOUTS[layout])
    batch = [small_scene(count, seed) for seed in range(2) for count in (1, 5, 20)]
    ours = image_rows(la.ATSS.original(topk)(priors, pack(batch)))
    for mine, scene in zip(ours, batch, strict=True):
        expected = by_the_loop(priors, scene, topk * priors.per_cell)
        assert_same(mine, expected, f"{layout}, top {topk}, {len(scene.boxes)} objects")


def test_the_factor_is_what_sets_it_apart_from_mmdet():
    """With nine anchors a cell, the authors' code has nine times mmdet's candidates, and another answer."""
    priors, scene = grid(*LAYOUTS["9"]), small_scene(20, 7)
    original, mmdet = (image_rows(each(priors, pack([scene])))[0] for each in (la.ATSS.original(), la.ATSS.mmdet()))
    assert_same(mmdet, mmdet_peers.atss(priors.boxes, priors.level_sizes, scene), "mmdet")
    assert_same(mmdet, by_the_loop(priors, scene, 9), "mmdet's candidates")
    assert int((original != mmdet).sum()) > 10


def test_one_anchor_per_cell_makes_both_equal():
    priors = grid((1.0,), (8.0,))
    batch = pack([small_scene(count, 3) for count in (5, 20)])
    assert torch.equal(la.ATSS.original()(priors, batch).gt_index, la.ATSS.mmdet()(priors, batch).gt_index)


def test_a_single_candidate_gets_nothing():
    """The deviation of one overlap is NaN in both codes, and no overlap reaches NaN."""
    priors = la.Priors.from_boxes([[0.0, 0, 32, 32]])
    scene = Scene(torch.tensor([[1.0, 2, 30, 31]]), torch.zeros(1, dtype=torch.int64))
    assert by_the_loop(priors, scene, 9).tolist() == [-1]
    assert la.ATSS.original()(priors, pack([scene])).gt_index.tolist() == [[-1]]
    assert la.ATSS()(priors, pack([scene])).gt_index.tolist() == [[0]]
