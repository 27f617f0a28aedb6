"""Measured facts about published matchers: each test holds the peer's behaviour and ours, agreeing or not."""

import pytest
import torch
from torchvision.models.detection._utils import Matcher
from torchvision.ops import box_iou

import labelassign as la
from tests.parity import mmdet_peers, mmdet_stub
from tests.parity.scenes import Scene, image_rows, pack

ROW = torch.tensor([[0.0, 0, 10, 10], [10, 0, 20, 10], [20, 0, 30, 10], [30, 0, 40, 10]])  # four priors in a row


def objects(*boxes):
    return Scene(torch.tensor(boxes, dtype=torch.float32), torch.zeros(len(boxes), dtype=torch.int64))


def ours(assigner, priors, scene):
    return image_rows(assigner(la.Priors.from_boxes(priors), pack([scene])))[0].tolist()


def test_a_whole_number_as_negative_threshold():
    """Differ on purpose. mmdet reads an int as no threshold at all: nothing is background. Ours reads a number."""
    one = objects([0, 0, 10, 10])
    theirs = mmdet_peers.max_iou(ROW, one, pos_iou_thr=1, neg_iou_thr=1, match_low_quality=False)
    assert theirs.tolist() == [0, -2, -2, -2]
    assert mmdet_peers.max_iou(ROW, one, pos_iou_thr=1, neg_iou_thr=1.0, match_low_quality=False).tolist() == [
        0,
        -1,
        -1,
        -1,
    ]
    assert ours(la.MaxIoU(1, 1, "off"), ROW, one) == ours(la.MaxIoU(1.0, 1.0, "off"), ROW, one) == [0, -1, -1, -1]


def test_an_object_far_from_all_priors_claims_all():
    """The presets agree; the plain class differs on purpose: an object without any overlap claims nothing."""
    far = objects([900, 900, 950, 950])
    assert mmdet_peers.max_iou(ROW, far, pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0.0).tolist() == [0] * 4
    assert Matcher(0.5, 0.4, allow_low_quality_matches=True)(box_iou(far.boxes, ROW)).tolist() == [0] * 4
    for preset in (la.MaxIoU.mmdet_retinanet(), la.MaxIoU.retinanet(), la.MaxIoU.rpn()):
        assert ours(preset, ROW, far) == [0] * 4
    assert ours(la.MaxIoU(), ROW, far) == [la.BACKGROUND] * 4
    assert la.MaxIoU()(la.Priors.from_boxes(ROW), pack([far])).reason.tolist() == [la.Reason.NO_CANDIDATE]


def test_two_objects_with_one_best_prior():
    """The presets agree with opposite answers: mmdet's later object takes the prior, torchvision's better one keeps it.

    The plain class forces like mmdet, and differs on purpose: the higher overlap wins, whatever the order.
    """
    two = objects([0, 0, 10, 9], [0, 0, 10, 7])
    theirs = mmdet_peers.max_iou(ROW[:2], two, pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0.0)
    assert theirs.tolist() == ours(la.MaxIoU.mmdet_retinanet(), ROW[:2], two) == [1, -1]
    theirs = Matcher(0.5, 0.4, allow_low_quality_matches=True)(box_iou(two.boxes, ROW[:2]))
    assert theirs.tolist() == ours(la.MaxIoU.retinanet(), ROW[:2], two) == [0, -1]
    swapped = Scene(two.boxes.flip(0), two.labels)
    assert ours(la.MaxIoU(), ROW[:2], two) == [0, -1]
    assert ours(la.MaxIoU(), ROW[:2], swapped) == [1, -1]


@pytest.mark.filterwarnings("ignore:std")
def test_atss_with_one_prior():
    """The preset agrees: the deviation of one overlap is NaN, and nothing reaches it. The plain class keeps it."""
    one = objects([1, 1, 9, 9])
    assert mmdet_peers.atss(ROW[:1], (1,), one).tolist() == ours(la.ATSS.mmdet(), ROW[:1], one) == [-1]
    assert ours(la.ATSS(), ROW[:1], one) == [0]


def test_atss_with_four_priors_equal_to_the_object():
    """Agree: the deviation is 0, and an overlap at the threshold is enough."""
    one, priors = objects([0, 0, 10, 10]), ROW[:1].repeat(4, 1)
    assert mmdet_peers.atss(priors, (4,), one).tolist() == ours(la.ATSS.mmdet(), priors, one) == [0] * 4


def test_atss_with_equal_overlaps_loses_objects_to_rounding():
    """Differ on purpose, in the preset too: a float32 mean of equal numbers often exceeds them all; ours rounds once.

    The threshold is the overlap that all candidates have, so that every prior lost is lost to rounding.
    """
    g, lost, kept = torch.Generator().manual_seed(0), 0, 0
    priors = torch.tensor([[0.0, 0, 64, 64]]).repeat(45, 1)
    for _ in range(200):
        box = torch.tensor([[0.0, 0, 32, 32]]) + torch.rand(1, 4, generator=g) * torch.tensor([20.0, 20, 32, 32])
        if box[0, :2].max() > 31 or box[0, 2:].min() < 33:
            continue  # the priors' centre is outside
        theirs = mmdet_peers.atss(priors, (9,) * 5, Scene(box, torch.zeros(1, dtype=torch.int64)))
        lost += int((theirs < 0).all())
        kept += int((theirs == 0).all())
        grid = la.Priors.from_boxes(priors, level_sizes=(9,) * 5)
        assert (la.ATSS.mmdet()(grid, pack([objects(box[0].tolist())])).gt_index == 0).all()
    assert kept > 100
    assert lost > 20
    assert kept + lost > 150


def test_130_objects_at_one_prior():
    """Agree: torch adds int8 masks in int64, so that 130 claims do not overflow."""
    assert torch.ones(130, dtype=torch.int8).sum() == 130
    crowd = objects(*[[0, 0, 10, 10]] * 130)
    assignment = la.ATSS.mmdet()(la.Priors.from_boxes(ROW), pack([crowd]))
    assert mmdet_peers.atss(ROW, (4,), crowd).tolist() == assignment.gt_index[0].tolist() == [0, -1, -1, -1]
    assert assignment.reason.tolist() == [la.Reason.FINE] + [la.Reason.LOST] * 129


def test_ties_of_topk_on_a_cpu():
    """Differ on purpose: which of equal values torch.topk takes depends on their number; ours takes the lower index."""
    assert torch.ones(10).topk(3, largest=False).indices.tolist() == [8, 6, 7]
    assert torch.ones(5000).topk(3, largest=False).indices.tolist() == [0, 1, 2]
    same = ROW[:1].repeat(10, 1)
    theirs = mmdet_peers.atss(same, (10,), objects([0, 0, 10, 10]), topk=3)
    assert sorted(theirs.nonzero()[:, 0].tolist()) == [0, 1, 2, 3, 4, 5, 9]
    assert ours(la.ATSS.mmdet(3), same, objects([0, 0, 10, 10])) == [0] * 3 + [-1] * 7


def test_the_area_of_300_pixels_squared_in_half_precision():
    """Differ from mmdet on purpose: its overlap of such a box with itself is NaN. torchvision and ours use float32."""
    box = torch.tensor([[0.0, 0, 300, 300]]).half()
    assert (box[:, 2] * box[:, 3]).isinf().all()
    overlaps = mmdet_stub.module("mmdet.structures.bbox").bbox_overlaps
    assert overlaps(box, box).isnan().all()
    assert box_iou(box, box) == la.geometry.pairwise_iou(box, box) == 1.0
    assert la.geometry.area(box).tolist() == [90000.0]  # 90000 itself is infinite in half precision
