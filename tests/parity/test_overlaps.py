"""Overlaps against torchvision's and mmdet's."""

import pytest
import torch
from torchvision.ops import box_iou, generalized_box_iou

import labelassign as la
from tests.parity import mmdet_stub
from tests.parity.scenes import priors, scene


def odd_boxes():
    """Boxes that touch, contain, equal and miss each other, tiny and huge ones, and boxes without area."""
    g = torch.Generator().manual_seed(11)
    corner = torch.rand(300, 2, generator=g) * 100
    size = torch.exp(6 * torch.randn(300, 2, generator=g).clamp(-2, 2) / 2)
    whole = torch.randint(0, 12, (300, 4), generator=g).float().view(-1, 2, 2).sort(1).values.flatten(1)
    return torch.cat([torch.cat([corner, corner + size], 1), whole])


def test_iou_equals_torchvision_bit_for_bit():
    for a, b in ((scene(150, 0).boxes, priors().boxes), (odd_boxes(), odd_boxes())):
        theirs, sized = box_iou(a, b), (b[:, 2:] > b[:, :2]).all(1) | (a[:, None, 2:] > a[:, None, :2]).all(2)
        ours = la.geometry.pairwise_iou(a, b)
        assert torch.equal(ours[sized], theirs[sized])
        assert (ours[~sized] == 0).all()  # two boxes without area: 0, where 0 / 0 is NaN there
        assert (ours > 0).sum() > 1000


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_iou_of_half_precision_equals_that_of_the_same_numbers(dtype):
    """Halves are exact in float32, and the overlap is computed there."""
    a, b = scene(63, 0).boxes.to(dtype), priors().boxes[::7].to(dtype)
    assert torch.equal(la.geometry.pairwise_iou(a, b), box_iou(a.float(), b.float()))


def test_iou_equals_mmdet_bit_for_bit():
    """Except below a union of 1e-6 square pixels, which mmdet rounds up."""
    overlaps = mmdet_stub.module("mmdet.structures.bbox").bbox_overlaps
    assert torch.equal(
        la.geometry.pairwise_iou(scene(150, 1).boxes, priors().boxes), overlaps(scene(150, 1).boxes, priors().boxes)
    )
    sized = odd_boxes()[(odd_boxes()[:, 2:] > odd_boxes()[:, :2] + 0.01).all(1)]
    assert torch.equal(la.geometry.pairwise_iou(sized, sized), overlaps(sized, sized))


def test_giou():
    """1e-6 absolute of torchvision's and mmdet's, whose guards against empty hulls differ from ours."""
    sized = odd_boxes()[(odd_boxes()[:, 2:] > odd_boxes()[:, :2] + 0.01).all(1)]
    for a, b in ((scene(63, 0).boxes, priors().boxes), (sized, sized)):
        ours = la.geometry.paired_giou(a[:, None], b[None])
        torch.testing.assert_close(ours, generalized_box_iou(a, b), rtol=0.0, atol=1e-6)
        theirs = mmdet_stub.module("mmdet.structures.bbox").bbox_overlaps(a, b, mode="giou")
        torch.testing.assert_close(ours, theirs, rtol=0.0, atol=1e-6)
        assert -1 <= ours.min() < -0.5


def test_share_of_the_area_inside_a_region():
    """mmdet's iof, which its ignore regions use."""
    overlaps = mmdet_stub.module("mmdet.structures.bbox").bbox_overlaps
    a, b = scene(63, 0).boxes, scene(150, 1).boxes
    torch.testing.assert_close(la.geometry.covered(a[:, None], b[None]), overlaps(a, b, mode="iof"), rtol=0.0, atol=0.0)
