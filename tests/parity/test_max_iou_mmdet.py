"""MaxIoU's mmdet presets against mmdet's MaxIoUAssigner: no prior may differ, ties included."""

import importlib.metadata

import pytest
import torch

import labelassign as la
from tests.parity import mmdet_peers
from tests.parity.awkward_scenes import NAMES, awkward
from tests.parity.scenes import SEEDS, assert_same, image_rows, pack, priors, scene, scenes

PRESETS = {
    "mmdet_rpn": {"pos_iou_thr": 0.7, "neg_iou_thr": 0.3, "min_pos_iou": 0.3, "match_low_quality": True},
    "mmdet_rcnn": {"pos_iou_thr": 0.5, "neg_iou_thr": 0.5, "min_pos_iou": 0.5, "match_low_quality": False},
    "mmdet_retinanet": {"pos_iou_thr": 0.5, "neg_iou_thr": 0.4, "min_pos_iou": 0.0},
}


def assert_parity(ours, theirs, batch, name):
    """`ours` is an assigner, `theirs` the options of mmdet's."""
    for mine, here in zip(image_rows(ours(priors(), pack(batch))), batch, strict=True):
        assert_same(mine, mmdet_peers.max_iou(priors().boxes, here, **theirs), f"{name}, {len(here.boxes)} objects")


def test_the_oracle_is_the_version_we_read():
    assert importlib.metadata.version("mmdet") == mmdet_peers.VERSION


@pytest.mark.parametrize("integer", [False, True], ids=["continuous", "whole pixels"])
@pytest.mark.parametrize("preset", PRESETS)
def test_no_prior_differs(preset, integer):
    for seed in SEEDS[:1] if integer else SEEDS:
        assert_parity(getattr(la.MaxIoU, preset)(), PRESETS[preset], scenes(seed, integer=integer), f"seed {seed}")


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", NAMES)
def test_no_prior_differs_on_awkward_scenes(name, preset):
    assert_parity(getattr(la.MaxIoU, preset)(), PRESETS[preset], [awkward()[name]], name)


@pytest.mark.parametrize("preset", PRESETS)
def test_priors_outside_the_image_take_no_part(preset):
    """mmdet assigns the priors inside the unpadded image only, and leaves the others out of the loss."""
    here = scene(23, 2)
    inside = priors().with_image_sizes(torch.tensor([[650.0, 1001.0]]))
    mine = image_rows(getattr(la.MaxIoU, preset)()(inside, pack([here])))[0]
    valid = inside.valid[0]
    expected = torch.full_like(mine, la.IGNORE)
    expected[valid] = mmdet_peers.max_iou(priors().boxes[valid], here, **PRESETS[preset])
    assert 0 < valid.sum() < len(valid)
    assert_same(mine, expected, preset)


def test_only_the_first_best_prior_claims():
    """mmdet's SSD: gt_max_assign_all=False."""
    theirs = {"pos_iou_thr": 0.5, "neg_iou_thr": 0.5, "min_pos_iou": 0.0, "gt_max_assign_all": False}
    for integer in (False, True):
        assert_parity(la.MaxIoU.ssd(), theirs, scenes(0, integer=integer), "SSD")


@pytest.mark.parametrize("negatives", [(0.3, 0.7), (0.1, 0.4)], ids=str)
def test_an_interval_of_negatives(negatives):
    ours = la.MaxIoU(0.7, negatives, "off", ignore_iof=None)
    theirs = {"pos_iou_thr": 0.7, "neg_iou_thr": negatives, "match_low_quality": False}
    assert_parity(ours, theirs, scenes(1), "interval")
