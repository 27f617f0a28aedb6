"""The losses of mmdet's AutoAssign and FreeAnchor heads, and their gradients, out of our weights of pairs."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import binary_cross_entropy

import labelassign as la
from tests.parity import soft_heads as heads
from tests.parity.soft_heads import CLASSES, IMAGE, STRIDES

COUNTS = [(3, 5), (0, 4), (1, 0), (8, 7)]
cases = pytest.mark.parametrize("seed", range(3))
counts = pytest.mark.parametrize("counts", COUNTS, ids=str)


def one_bag_loss(bag):
    return binary_cross_entropy(bag, torch.ones_like(bag), reduction="none").sum()


def not_there_loss(p, gamma=2.0):
    return (p**gamma * binary_cross_entropy(p, torch.zeros_like(p), reduction="none")).sum()


def compare(ours, theirs, leaves):
    """Losses by name, and the gradients of their sum; 1e-5 of the largest."""
    assert set(ours) == set(theirs)
    for name, loss in ours.items():
        torch.testing.assert_close(loss, theirs[name], rtol=1e-5, atol=1e-6, msg=lambda m, n=name: f"{n}: {m}")
    for name, leaf in leaves.items():
        mine, want = (torch.autograd.grad(sum(x.values()), leaf, retain_graph=True)[0] for x in (ours, theirs))
        scale = want.abs().max().clamp(min=1e-6)
        torch.testing.assert_close(mine / scale, want / scale, rtol=0, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}")


def auto_inputs(counts, seed):
    g = torch.Generator().manual_seed(100 + seed)
    priors = la.Priors.points(image_size=IMAGE, strides=STRIDES, offset=0.0)
    shape = (len(counts), priors.count)
    logits = torch.randn(*shape, CLASSES, generator=g) - 1
    objectness = torch.randn(*shape, 1, generator=g)
    sides = torch.exp(torch.rand(*shape, 4, generator=g) * 1.2 + 2)
    return priors, heads.objects(counts, seed), [t.requires_grad_() for t in (logits, sides, objectness)]


@counts
@cases
def test_auto_assign_is_mmdet_s(counts, seed):
    priors, gt, (logits, sides, objectness) = auto_inputs(counts, seed)
    theirs_head, centre = heads.auto_assign(), la.CentrePrior(CLASSES)
    g = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        centre.mean.copy_(torch.randn(CLASSES, 2, generator=g) * 0.3)
        centre.sigma.copy_(1 + torch.rand(CLASSES, 2, generator=g))
    theirs_head.center_prior.mean, theirs_head.center_prior.sigma = centre.mean, centre.sigma
    theirs = theirs_head.loss_by_feat(*map(heads.levels, (logits, sides, objectness)), *heads.batch_of(gt))

    points = (priors.boxes[:, :2] + priors.boxes[:, 2:]) / 2
    p = la.Predictions(la.decode_ltrb(points, sides), logits, objectness=objectness[..., 0])
    w = la.AutoAssign()(priors, gt, p, centre=centre)
    joint = logits.sigmoid() * objectness.sigmoid()
    total, place = max(gt.num_rows, 1), w.place.new_zeros(len(counts)).index_add(0, w.image, w.place)
    image = torch.tensor(counts) / place.clamp(min=1e-12)
    ours = {
        "loss_pos": 0.25 * one_bag_loss(w.bag) / total,
        "loss_neg": 0.75 * not_there_loss(joint * w.background) / w.place.detach().sum().clamp(min=1),
        "loss_center": 0.75 * torch.where(place > 0, image, 0.0).mean(),
    }
    leaves = {"logits": logits, "sides": sides, "objectness": objectness}
    compare(ours, theirs, {**leaves, "mean": centre.mean, "sigma": centre.sigma})


def free_inputs(counts, seed, topk):
    g = torch.Generator().manual_seed(200 + seed)
    priors = la.Priors.grid(image_size=IMAGE, strides=STRIDES, scale=4)
    gt = heads.objects(counts, seed, priors.boxes, topk)
    logits = torch.randn(len(counts), priors.count, CLASSES, generator=g) - 1
    deltas = torch.randn(len(counts), priors.count, 4, generator=g)
    coder, bounds = la.DeltaCoder(stds=heads.STDS), gt.offsets.tolist()
    for i in range(len(counts)):  # some boxes that are near their objects, so that a threshold of 0.6 finds any
        for row in range(bounds[i], bounds[i + 1]):
            near = la.geometry.paired_iou(priors.boxes, gt.boxes[row]).topk(12).indices
            deltas[i, near] = coder.encode(la.Priors.from_boxes(priors.boxes[near]), gt.boxes[row].expand(12, 4))
            deltas[i, near] += 0.8 * torch.randn(12, 4, generator=g)
    return priors, gt, [t.requires_grad_() for t in (logits, deltas)]


@counts
@cases
def test_free_anchor_is_mmdet_s(counts, seed):
    topk = 20
    priors, gt, (logits, deltas) = free_inputs(counts, seed, topk)
    theirs = heads.free_anchor(topk).loss_by_feat(*map(heads.levels, (logits, deltas)), *heads.batch_of(gt))
    boxes = la.DeltaCoder(stds=heads.STDS, clip_both=True).decode(priors, deltas)
    w = la.FreeAnchor(topk)(priors, gt, la.Predictions(boxes, logits))
    assert (w.per_gt_count == topk).all()
    assert (w.background < 1).any()
    there = (logits.sigmoid() * w.background).clamp(1e-12, 1 - 1e-12)
    ours = {
        "positive_bag_loss": 0.5 * one_bag_loss(w.bag) / gt.num_rows,
        "negative_bag_loss": 0.5 * not_there_loss(there) / (gt.num_rows * topk),
    }
    compare(ours, theirs, {"logits": logits, "deltas": deltas})


def test_of_two_objects_of_one_class_the_lower_background_weight_counts():
    priors, _, (logits, sides, objectness) = auto_inputs((2,), 0)
    both = [[20.0, 20, 90, 90], [30.0, 30, 80, 100]]
    points = (priors.boxes[:, :2] + priors.boxes[:, 2:]) / 2
    p = la.Predictions(la.decode_ltrb(points, sides), logits, objectness=objectness[..., 0])
    labels = {"one class": [3, 3], "two": [3, 4]}
    batch = {name: la.GroundTruth.from_list([{"boxes": both, "labels": x}]) for name, x in labels.items()}
    back = {
        name: la.AutoAssign()(priors, gt, p, centre=la.CentrePrior(CLASSES)).background for name, gt in batch.items()
    }
    assert torch.equal(back["one class"][..., 3], back["two"][..., 3:5].amin(-1))
    swapped = replace(batch["one class"], boxes=batch["one class"].boxes.flip(0))
    again = la.AutoAssign()(priors, swapped, p, centre=la.CentrePrior(CLASSES)).background
    assert torch.equal(again, back["one class"])
