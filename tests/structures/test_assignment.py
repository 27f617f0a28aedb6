"""From an assignment to a loss."""

import pytest
import torch

import labelassign as la
from tests.scenes import grid, ground_truth, predictions


@pytest.fixture
def case():
    priors, gt = grid(), ground_truth()
    return priors, gt, predictions(priors), la.MaxIoU(0.4, 0.3)(priors, gt)


def test_views_and_counts(case):
    _, gt, _, a = case
    assert (a.positive.int() + a.background.int() + a.ignored.int() == 1).all()
    for row in range(gt.num_rows):
        assert a.per_gt_count[row] == (a.gt_index == row).sum()
    assert a.reasons == [la.Reason(r).name for r in a.reason.tolist()]


def test_targets(case):
    _, gt, _, a = case
    t = a.targets(gt, background=6)
    for image, prior in a.positive.nonzero().tolist():
        row = a.gt_index[image, prior]
        assert t.labels[image, prior] == gt.labels[row]
        assert torch.equal(t.boxes[image, prior], gt.boxes[row])
    assert (t.labels[~a.positive] == 6).all()
    assert (t.boxes[~a.positive] == 0).all()
    assert torch.equal(t.cls_weight, (~a.ignored).float())
    assert torch.equal(t.loc_weight, a.positive.float())
    scores = a.targets(gt, background=6, one_hot=True).labels
    assert scores.shape == (*a.gt_index.shape, 6)
    assert torch.equal(scores.sum(-1), a.positive.float())
    assert torch.equal(scores.argmax(-1)[a.positive], t.labels[a.positive])


def test_encoded_targets_decode_to_the_objects(case):
    priors, gt, _, a = case
    coder = la.DeltaCoder(stds=(0.1, 0.1, 0.2, 0.2))
    t = a.targets(gt, background=6, coder=coder, priors=priors)
    assert torch.isfinite(t.boxes).all()
    decoded = coder.decode(priors, t.boxes)
    torch.testing.assert_close(decoded[a.positive], gt.boxes[a.gt_index[a.positive]], rtol=1e-4, atol=1e-3)
    with pytest.raises(ValueError, match="expected `priors` beside `coder`"):
        a.targets(gt, background=6, coder=coder)


def test_overlap_is_with_the_assigned_object_and_without_gradient(case):
    _, gt, p, a = case
    boxes = p.boxes.clone().requires_grad_()
    iou = a.overlap(boxes, gt)
    assert not iou.requires_grad
    expected = la.geometry.paired_iou(p.boxes, gt.boxes[a.gt_index.clamp(min=0)])
    assert torch.equal(iou, expected * a.positive)
    broken = a.overlap(torch.full_like(boxes, torch.nan), gt)
    assert (broken == 0).all()


def test_normalizers(case):
    _, gt, p, a = case
    iou = a.overlap(p.boxes, gt)
    assert a.normalizer() == a.positive.sum()
    assert a.normalizer("score_sum") == a.cls_target.sum()
    assert a.normalizer("iou_sum", overlap=iou) == iou.sum()
    assert a.normalizer(reduce=True) == a.positive.sum()  # no process group: this one alone
    empty = la.MaxIoU()(grid(), ground_truth((0,)))
    assert empty.normalizer() == 1
    assert empty.normalizer(minimum=2.5) == 2.5
    with pytest.raises(ValueError, match='`overlap` exactly with kind "iou_sum"'):
        a.normalizer("iou_sum")


def test_pairs_count_objects_inside_their_image(case):
    _, gt, _, a = case
    for image, (prior, place) in enumerate(a.to_pairs()):
        assert prior.tolist() == a.positive[image].nonzero().flatten().tolist()
        assert torch.equal(place + gt.offsets[image], a.gt_index[image, prior])


def test_another_ground_truth_is_refused(case):
    _, gt, p, a = case
    with pytest.raises(ValueError, match=r"Assignment.targets: expected the same number of rows everywhere, got"):
        a.targets(gt.pad_to(20), background=6)
    with pytest.raises(ValueError, match=r"Assignment.overlap: expected the same number of rows"):
        a.overlap(p.boxes, gt.pad_to(20))


def test_the_repr_counts():
    text = repr(la.MaxIoU()(grid(), la.GroundTruth.from_list([{"boxes": [[900, 900, 910, 910]], "labels": [0]}])))
    assert text == (
        "Assignment(1 images, 420 priors: 0 positive, 420 background, 0 ignored; 1 objects, 1 without priors)"
    )
