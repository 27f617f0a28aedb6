"""Weights of pairs: their gradients, their views, and input that is strange and legal."""

from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import labelassign as la
from labelassign.testing import spoil
from tests.scenes import grid, ground_truth, predictions

CLASSES = 6


def auto(priors, gt, p):
    return la.AutoAssign()(priors, gt, p, centre=la.CentrePrior(CLASSES))


def free(priors, gt, p):
    return la.FreeAnchor(topk=9)(priors, gt, p)


both = pytest.mark.parametrize("weigh", [auto, free])


def tiny():
    priors = la.Priors.grid(image_size=(32, 48), strides=(16,), scale=2, offset=0.5)
    gt = la.GroundTruth.from_list([{"boxes": [[3.0, 4, 30, 27], [14, 2, 45, 31]], "labels": [1, 0]}])
    g = torch.Generator().manual_seed(0)
    boxes = (priors.boxes + 3 * torch.randn(1, priors.count, 4, generator=g)).double()
    return priors, gt, boxes, torch.randn(1, priors.count, 2, generator=g, dtype=torch.float64)


def test_gradients_of_auto_assign_are_right():
    priors, gt, boxes, scores = tiny()
    objectness, centre = torch.randn(1, priors.count, dtype=torch.float64), la.CentrePrior(2).double()

    def weigh(boxes, scores, objectness, mean, sigma):
        centre.mean.data, centre.sigma.data = mean.data, sigma.data
        p = la.Predictions(boxes, scores, objectness=objectness)
        w = torch.func.functional_call(_Call(centre), {"centre.mean": mean, "centre.sigma": sigma}, (priors, gt, p))
        return w.probability, w.weight, w.place, w.bag

    leaves = (boxes, scores, objectness, torch.rand(2, 2).double(), 1 + torch.rand(2, 2).double())
    assert torch.autograd.gradcheck(weigh, tuple(t.requires_grad_() for t in leaves), atol=1e-6)


class _Call(torch.nn.Module):
    def __init__(self, centre):
        super().__init__()
        self.centre = centre

    def forward(self, priors, gt, p):
        return la.AutoAssign()(priors, gt, p, centre=self.centre)


def test_gradients_of_free_anchor_are_right():
    priors, gt, boxes, scores = tiny()

    def weigh(boxes, scores):
        w = la.FreeAnchor(topk=4, beta=0.5, stds=(1.0, 1, 1, 1))(priors, gt, la.Predictions(boxes, scores))
        return w.probability, w.weight, w.bag

    assert torch.autograd.gradcheck(weigh, (boxes.requires_grad_(), scores.requires_grad_()), atol=1e-6)


@both
def test_weights_sum_up_to_one_and_views_agree(weigh):
    priors, gt, p = grid(), ground_truth(classes=CLASSES), predictions(grid(), classes=CLASSES)
    w = weigh(priors, gt, p)
    has = w.per_gt_count > 0
    assert has.sum() >= 6
    torch.testing.assert_close(w.per_object(w.weight), has.float())
    dense = w.to_dense(w.weight * w.probability)
    torch.testing.assert_close(dense.sum(1), w.bag)
    assert torch.equal((w.to_dense(torch.ones_like(w.weight)) > 0).sum(1), w.per_gt_count)
    assert torch.equal(w.image, gt.image_of[w.row])
    for value in (w.probability, w.weight, w.place, w.background):
        assert ((value >= 0) & (value <= 1)).all()
    assert (w.background < 1).any()
    assert not w.background.requires_grad


@both
def test_a_batch_is_its_images_and_padding_changes_nothing(weigh):
    priors, p = grid(), predictions(grid(), classes=CLASSES)
    gt = ground_truth(classes=CLASSES)
    w, padded = weigh(priors, gt, p), weigh(priors, gt.pad_to(12), p)
    assert torch.equal(w.weight, padded.weight)
    assert torch.equal(w.background, padded.background)
    image = gt.to_list()[2]
    part = replace(p, boxes=p.boxes[2:], scores=p.scores[2:])
    alone = weigh(priors, la.GroundTruth.from_list([image]), part)
    torch.testing.assert_close(alone.weight, w.weight[w.image == 2])
    torch.testing.assert_close(alone.background[0], w.background[2])


@both
def test_images_without_objects_are_all_background(weigh):
    priors, p = grid(), predictions(grid(), 2, classes=CLASSES)
    for gt in (ground_truth((0, 0)), ground_truth((0, 0)).pad_to(3)):
        w = weigh(priors, gt, p)
        assert w.row.numel() == 0
        assert (w.background == 1).all()
        assert w.bag.sum() == 0


@both
def test_predictions_that_are_not_finite_are_no_pairs_and_spoil_no_gradient(weigh):
    priors, gt, p = grid(), ground_truth(classes=CLASSES), spoil(predictions(grid(), classes=CLASSES), 0, 0.3)
    p = replace(p, boxes=p.boxes.clamp(-1e3, 1e3).requires_grad_(), scores=p.scores.clamp(-60, 60).requires_grad_())
    w = weigh(priors, gt, p)
    held = w.row >= 0
    assert held.any()
    assert torch.isfinite(p.boxes[w.image, w.prior][held]).all()
    assert torch.isfinite(p.scores[w.image, w.prior][held]).all()
    assert not w.weight[~held].any()
    w.bag.sum().backward()
    assert torch.isfinite(p.boxes.grad).all()
    assert torch.isfinite(p.scores.grad).all()
    assert torch.isfinite(w.background).all()


@both
def test_crowds_and_invalid_priors_take_no_part(weigh):
    priors, p = grid(), predictions(grid(), 1, classes=CLASSES)
    valid = torch.arange(priors.count)[None] % 3 > 0
    crowd = {"boxes": [[0.0, 0, 80, 128], [90, 30, 140, 90]], "labels": [0, 1], "iscrowd": [1, 0]}
    w = weigh(replace(priors, valid=valid), la.GroundTruth.from_list([crowd]), p)
    assert w.per_gt_count[0] == 0
    assert valid[0, w.prior[w.row >= 0]].all()
    hidden = la.geometry.covered(priors.boxes, torch.tensor([0.0, 0, 80, 128])) >= 0.5
    assert (w.background[0][hidden | ~valid[0]] == 0).all()
    assert (w.background[0, ~hidden & valid[0]].amax(1) > 0).all()


def test_a_bag_holds_the_anchors_that_overlap_most_and_those_only():
    priors = la.Priors.from_boxes([[0.0, 0, 8, 8], [4, 0, 12, 8], [0, 0, 8, 8], [50, 50, 60, 60]])
    gt = la.GroundTruth.from_list([{"boxes": [[0.0, 0, 8, 8]], "labels": [0]}])
    p = la.Predictions(priors.boxes[None], torch.zeros(1, 4, 1))
    assert la.FreeAnchor(topk=2)(priors, gt, p).prior.tolist() == [0, 2]
    w = la.FreeAnchor()(priors, gt, p)
    assert sorted(w.prior.tolist()) == [0, 1, 2]
    torch.testing.assert_close(w.background[0, :, 0], torch.tensor([0.0, 1, 0, 1]))


@pytest.mark.parametrize("device", ["cuda"])
@both
def test_nothing_waits_for_an_accelerator(weigh, device):
    with FakeTensorMode():
        priors = la.Priors.grid(image_size=(64, 64), strides=(8, 16), scale=4, device=device)
        rows = torch.zeros(3, dtype=torch.int64, device=device)
        gt = la.GroundTruth(torch.zeros(3, 4, device=device), rows, rows.clone(), rows.bool())
        shape = (2, priors.count)
        p = la.Predictions(torch.zeros(*shape, 4, device=device), torch.zeros(*shape, CLASSES, device=device))
        with torch.device(device):
            centre = la.CentrePrior(CLASSES)
        w = la.AutoAssign()(priors, gt, p, centre=centre) if weigh is auto else weigh(priors, gt, p)
        assert w.row.shape[0] == 3 * (priors.count if weigh is auto else 9)
        assert "up to" in repr(w)


def test_what_does_not_fit_is_refused():
    priors, gt, p = grid(), ground_truth(classes=CLASSES), predictions(grid(), classes=CLASSES)
    with pytest.raises(ValueError, match=r"AutoAssign: expected the same number of classes.*predictions: 6, centre: 4"):
        la.AutoAssign()(priors, gt, p, centre=la.CentrePrior(4))
    with pytest.raises(ValueError, match=r"AutoAssign: expected priors with `strides`"):
        la.AutoAssign()(replace(priors, strides=None), gt, p, centre=la.CentrePrior(CLASSES))
    with pytest.raises(ValueError, match=r"`gain` >= 0, got -1"):
        la.AutoAssign(gain=-1.0)
    with pytest.raises(ValueError, match=r"0 <= threshold < 1, got 1"):
        la.FreeAnchor(threshold=1.0)
    with pytest.raises(ValueError, match=r"`values` \[\d+\]"):
        free(priors, gt, p).per_object(torch.zeros(2))
