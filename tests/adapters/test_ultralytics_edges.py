"""What the adapter of ultralytics translates."""

import torch

import labelassign as la
from labelassign.adapters import Handle
from labelassign.adapters.ultralytics import attach, from_ultralytics, to_ultralytics
from labelassign.adapters.ultralytics.encoding import objects
from tests.adapters.yolo import BOXES, LABELS, SIZE, batch, detector, losses, train

STOCK = la.TaskAligned.ultralytics()


def packed():
    """The objects of the batch, in as many rows as padding to the fullest image makes."""
    images = [{"boxes": BOXES, "labels": LABELS}] * 2 + [{"boxes": [], "labels": []}]
    return la.GroundTruth.from_list(images).pad_to(12)


def test_training_resumes_with_the_same_losses():
    whole, first, second = (detector("v8") for _ in range(3))
    for model in (whole, first, second):
        attach(model, la.Warmup(la.ATSS(), la.TaskAligned(), steps=4))
    want = train(whole, 6, rate=0.0)
    got = train(first, 3, rate=0.0)
    second.load_state_dict(first.state_dict())
    Handle.of(second).step = Handle.of(first).step
    torch.testing.assert_close(torch.cat([got, train(second, 3, rate=0.0)]), want)
    assert not want[3].equal(want[4])


def test_predictions_may_come_with_the_batch():
    model = detector("v8").eval()
    with attach(model, STOCK), torch.no_grad():
        want = model.loss(batch())[0]
        assert model.loss(batch(), model(batch()["img"]))[0].equal(want)
        assert model(batch())[0].equal(want)


def test_a_batch_without_objects():
    model = detector("26")
    nothing = {
        "img": batch()["img"],
        "batch_idx": torch.zeros(0),
        "cls": torch.zeros(0, 1),
        "bboxes": torch.zeros(0, 4),
    }
    stock, _ = model.loss(nothing)
    with attach(model, STOCK) as handle:
        torch.testing.assert_close(model.loss(nothing)[0], stock)
    assert handle.stats["objects"] == handle.stats["positives"] == 0


def test_a_branch_without_colad_is_each_networks_own():
    model, other = detector("26"), detector("26", seed=7)
    want = other.loss(batch())[1]  # ultralytics names the values of the one-to-one branch
    with attach(model, la.CoLAD(STOCK), teacher=other):
        items = model.loss(batch())[1]
    for name, value in want.items():
        torch.testing.assert_close(items[f"teacher_{name}"], value)
        assert not items[name].isclose(value)


def test_ignored_priors_are_background_and_no_positive_is_lost():
    model = detector("v8")
    with attach(model, la.MaxIoU(low_quality="force_gt"), scale=4) as handle:
        losses(model)
    a = handle.last
    assert a.ignored.any()
    gt = packed()
    labels, boxes, scores, positive, _ = to_ultralytics(a, gt, 3)
    assert positive.equal(a.positive)
    assert scores.sum(-1).equal(a.positive.float())
    assert labels[positive].equal(gt.labels[a.gt_index[positive]])
    assert boxes[positive].equal(gt.boxes[a.gt_index[positive]])
    assert set(labels[a.ignored].tolist()) == {3}


def test_scale_is_the_side_of_a_prior_in_strides():
    model, counts = detector("v8"), []
    for scale in (4.0, 8.0):
        with attach(model, la.MaxIoU(low_quality="off"), scale=scale) as handle:
            losses(model)
        counts.append(handle.last.per_gt_count.tolist())
    assert counts[0][0] > 0 == counts[1][0]  # an object of 36 by 32 pixels; the smallest squares have 32, then 64


def test_the_encoding_goes_both_ways():
    model = detector("v8")
    with attach(model, STOCK) as handle:
        losses(model)
    a = handle.last
    gt = packed()
    five = to_ultralytics(a, gt, 3)
    assert five[4][a.background].unique().tolist() == [0]
    back = from_ultralytics(five, gt)
    assert back.gt_index.equal(a.gt_index)
    assert back.cls_target.equal(a.cls_target)
    empty = la.GroundTruth.from_list([{"boxes": [], "labels": []}])
    none = (torch.zeros(1, 5), torch.zeros(1, 5, 4), torch.zeros(1, 5, 3), torch.zeros(1, 5).bool(), torch.zeros(1, 5))
    assert from_ultralytics(none, empty).background.all()


def test_padded_objects_may_have_gaps():
    boxes = torch.stack([BOXES, BOXES])
    mask = torch.tensor([[1, 0, 1, 0], [0, 0, 0, 1]])[..., None]
    gt, slots = objects(LABELS.float().expand(2, 4)[..., None], boxes, mask, SIZE)
    assert gt.offsets.tolist() == [0, 2, 3]
    assert gt.boxes[:3].equal(BOXES[[0, 2, 3]])
    assert gt.labels[:3].equal(LABELS[[0, 2, 3]])
    assert slots[:3].tolist() == [0, 2, 3]
    assert gt.image_sizes.tolist() == [[64, 96]] * 2
    priors = la.Priors.grid(image_size=SIZE, strides=(8,), scale=4, offset=0.5)
    a = la.MaxIoU()(priors, gt)
    *_, positive, index = to_ultralytics(a, gt, 3, slots=slots)
    assert set(index[0][positive[0]].tolist()) == {0, 2}
    assert set(index[1][positive[1]].tolist()) == {3}
