"""The scenes are what they claim to be: COCO-like, free of ties, and seen by networks that know something."""

import pytest
import torch
from torchvision.ops import box_iou

import labelassign as la
from tests.parity import mmdet_stub
from tests.parity.atss_rule import centre_distances
from tests.parity.awkward_scenes import awkward
from tests.parity.scenes import CODER, COUNTS, IMAGE, SEEDS, output, pack, predictions, priors, scene


def test_priors_and_objects():
    assert (priors().count, priors().level_sizes) == (22400, (16800, 4200, 1050, 273, 77))
    sides = []
    for count in COUNTS:
        boxes = scene(count, 0).boxes
        assert len(boxes) == count
        assert bool((boxes >= 0).all() and (boxes <= torch.tensor([IMAGE[1], IMAGE[0]] * 2)).all())
        assert bool((boxes[:, 2:] - boxes[:, :2] > 1).all())
        sides += (boxes[:, 2:] - boxes[:, :2]).prod(1).sqrt().tolist()
    assert 0.2 < sum(side < 32 for side in sides) / len(sides) < 0.4
    assert 0.2 < sum(side > 96 for side in sides) / len(sides) < 0.5
    assert min(sides) < 6
    assert max(sides) > 900


@pytest.mark.parametrize("threshold", [0.1, 0.3, 0.4, 0.5, 0.7])
def test_a_scene_has_overlaps_exactly_at_the_thresholds(threshold):
    overlaps = box_iou(awkward()["overlaps exactly at the thresholds"].boxes, priors().boxes)
    assert (overlaps == threshold).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_continuous_boxes_have_no_tie_at_the_ninth_place(seed):
    """Neither by the squared distance nor by its root: topk can choose in one way only."""
    for box in scene(150, seed).boxes:
        for squared in (True, False):
            for level in centre_distances(priors().boxes, box, squared=squared).split(priors().level_sizes):
                ninth, tenth = level.topk(10, largest=False, sorted=True).values[-2:]
                assert ninth < tenth


def test_networks_are_better_where_an_anchor_overlaps_more():
    here, network = scene(63, 0), predictions([output(63, 0)])
    iou, row = box_iou(priors().boxes, here.boxes).max(1)
    own = network.scores[0].gather(1, here.labels[row][:, None])[:, 0]
    reached = la.geometry.paired_iou(network.boxes[0], here.boxes[row])
    good, fair, rest = iou > 0.6, (iou > 0.2) & (iou < 0.4), iou < 0.05
    assert own[good].mean() > own[fair].mean() + 1 > own[rest].mean() + 2
    assert reached[good].mean() > reached[fair].mean() + 0.1 > reached[rest].mean() + 0.3
    assert reached[fair].mean() > iou[fair].mean() + 0.2
    assert not torch.equal(output(63, 0).logits, output(63, 0, 1).logits)
    assert torch.equal(CODER.decode(priors(), output(63, 0).deltas), network.boxes[0])
    assert pack([here, here]).offsets.tolist() == [0, 63, 126]


def test_an_operator_without_its_extension_raises():
    """Nothing in this folder can compare itself with a stand-in."""
    roi_align = mmdet_stub.module("mmcv.ops").roi_align
    with pytest.raises(RuntimeError, match="has no compiled operators"):
        roi_align(torch.ones(1, 1, 4, 4), torch.tensor([[0.0, 0, 0, 2, 2]]), (2, 2))
