"""Golden facts of TaskAligned, SimOTA and DynamicSoftLabel, and of their conflicts."""

from dataclasses import replace

import pytest
import torch

import labelassign as la
from labelassign import Reason
from tests.scenes import grid, ground_truth, predictions

POINTS = la.Priors.points(image_size=(64, 64), strides=(8,))
EVERY = [la.TaskAligned(), la.SimOTA(), la.DynamicSoftLabel()]
PRESETS = [la.TaskAligned.tood(), la.TaskAligned.ultralytics(), la.SimOTA.mmdet(), la.SimOTA.yolox()]
PRESETS += [la.TaskAligned.ppyoloe(), la.DynamicSoftLabel.rtmdet()]


def objects(*boxes, labels=None):
    return la.GroundTruth.from_list([{"boxes": list(boxes), "labels": labels or [0] * len(boxes)}])


def network(boxes, logit=0.0, classes=2):
    boxes = torch.as_tensor(boxes, dtype=torch.float32).expand(1, POINTS.count, 4).contiguous()
    return la.Predictions(boxes, torch.full((1, POINTS.count, classes), logit))


def test_two_identical_tiny_objects_share_what_is_there():
    """SimOTA's published rule leaves five equal objects with one prior in total; the reason says so."""
    tiny = [20.0, 20, 23, 23]
    a = la.SimOTA.mmdet()(POINTS, objects(*[tiny] * 5), network([40.0, 40, 50, 50]))
    assert int(a.positive.sum()) == 1
    assert a.reasons == ["FINE", "LOST", "LOST", "LOST", "LOST"]


def test_scores_of_zero_are_never_taken_by_alignment():
    gt = objects([0.0, 0, 40, 40])
    p = network([0.0, 0, 40, 40])
    zero = replace(p, scores=torch.zeros_like(p.scores), scores_are="probs")
    a = la.TaskAligned()(POINTS, gt, zero)
    assert not a.positive.any()
    assert a.reasons == ["REJECTED"]


def test_a_box_of_one_pixel_gets_what_lies_in_its_floor():
    gt, near = objects([19.0, 19, 20, 20]), network([10.0, 10, 30, 30])
    assert la.TaskAligned()(POINTS, gt, near).reasons == ["NO_CANDIDATE"]
    assert int(la.TaskAligned(floor=16.0)(POINTS, gt, near).per_gt_count) == 4
    # wide boxes are left as they are
    large = objects([0.0, 0, 40, 40])
    widened, plain = (la.TaskAligned(topk=64, floor=f)(POINTS, large, near) for f in (16.0, 0.0))
    assert torch.equal(widened.gt_index, plain.gt_index)


def test_alignment_takes_the_best_and_its_targets_are_normalised():
    gt, g = objects([0.0, 0, 48, 48]), torch.Generator().manual_seed(0)
    corner = torch.rand(1, POINTS.count, 2, generator=g) * 20
    p = la.Predictions(torch.cat([corner, corner + 40], 2), torch.randn(1, POINTS.count, 2, generator=g))
    a = la.TaskAligned(topk=5)(POINTS, gt, p)
    u = la.geometry.paired_iou(p.boxes[0], gt.boxes)
    t = p.scores[0, :, 0].double().sigmoid() * u.double() ** 6
    inside = la.geometry.margin(la.geometry.centres(POINTS.boxes), gt.boxes) > 0.01
    best = torch.where(inside, t, -1.0).topk(5).indices
    assert a.positive[0].nonzero().flatten().tolist() == sorted(best.tolist())
    want = t[best] / t[best].max() * u[best].max()
    torch.testing.assert_close(a.cls_target[0, best], want.float())
    torch.testing.assert_close(a.quality[0, best], t[best].float())


def test_dynamic_k_counts_the_best_overlaps_and_takes_the_cheapest():
    gt = objects([0.0, 0, 32, 32])
    boxes = torch.zeros(1, POINTS.count, 4)
    boxes[0, 9], boxes[0, 10], boxes[0, 17] = (torch.tensor([0.0, 0, 32, s]) for s in (32, 28, 24))
    p = la.Predictions(boxes, torch.zeros(1, POINTS.count, 2))
    a = la.SimOTA()(POINTS, gt, p)  # overlaps 1, 0.875 and 0.75 make k = 2
    assert a.positive[0].nonzero().flatten().tolist() == [9, 10]
    assert a.cls_target[0, [9, 10]].tolist() == [1.0, 0.875]


def test_an_object_that_did_not_keep_a_contested_prior_takes_it_only_under_all():
    """Rows 0 and 1 keep the prior; row 2, which overlaps it more, keeps a better one of its own."""
    gt = objects([0.0, 0, 40, 40], [8.0, 0, 40, 40], [4.0, 0, 40, 40])
    boxes = torch.zeros(1, POINTS.count, 4)
    boxes[0, 9], boxes[0, 10] = torch.tensor([5.0, 0, 40, 40]), torch.tensor([4.0, 0, 40, 40])
    scores = torch.full((1, POINTS.count, 2), -20.0)
    scores[0, 9], scores[0, 10] = 3.0, -2.0
    scores[0, 10, 0] = 9.0
    p = la.Predictions(boxes, scores)
    options = {"topk": 1, "alpha": 1.0, "beta": 1.0}
    gt = replace(gt, labels=torch.tensor([1, 1, 0]))
    alone, all_of_them = (la.TaskAligned(conflict=c, **options)(POINTS, gt, p) for c in ("claimants", "all"))
    assert alone.gt_index[0, [9, 10]].tolist() == [1, 2] or alone.gt_index[0, 9] in (0, 1)
    assert all_of_them.gt_index[0, 9] == 2


@pytest.mark.parametrize("assigner", [*EVERY, *PRESETS], ids=repr)
def test_hostile_predictions_never_win_and_raise_nothing(assigner):
    priors, gt = grid(), ground_truth()
    p = predictions(priors)
    boxes, scores = p.boxes.clone(), p.scores.clone()
    bad = torch.arange(priors.count) % 3 == 0
    boxes[:, bad], scores[:, torch.arange(priors.count) % 3 == 1, 0] = float("nan"), float("inf")
    a = assigner(priors, gt, replace(p, boxes=boxes, scores=scores))
    assert not a.positive[:, torch.arange(priors.count) % 3 != 2].any()
    assert torch.isfinite(a.cls_target).all()
    assert a.diagnostics["non_finite"].sum() > 0


@pytest.mark.parametrize("assigner", EVERY, ids=repr)
def test_more_candidates_asked_for_than_there_are_priors(assigner):
    gt = objects([0.0, 0, 24, 24])
    few = la.Priors.points(image_size=(16, 16), strides=(8,))
    p = la.Predictions(
        torch.tensor([0.0, 0, 60, 60]).expand(1, few.count, 4).contiguous(), torch.zeros(1, few.count, 2)
    )
    assert 0 < int(replace(assigner, topk=50)(few, gt, p).per_gt_count) <= few.count


def test_priors_without_strides_and_queries_are_refused():
    bare = la.Priors.from_boxes([[0.0, 0, 8, 8]])
    p = la.Predictions(torch.zeros(1, 1, 4), torch.zeros(1, 1, 2))
    with pytest.raises(ValueError, match=r"SimOTA: expected priors with `strides`"):
        la.SimOTA()(bare, objects([0.0, 0, 8, 8]), p)
    la.TaskAligned()(bare, objects([0.0, 0, 8, 8]), p)  # asks for no strides
    with pytest.raises(ValueError, match=r"TaskAligned: expected priors with a place in the image, got queries"):
        la.TaskAligned()(la.Priors.queries(1), objects([0.0, 0, 8, 8]), p)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (la.TaskAligned, {"overlap": "diou"}),
        (la.SimOTA, {"others": "some"}),
        (la.DynamicSoftLabel, {"conflict": "none"}),
    ],
)
def test_unknown_rules_are_refused(kind, options):
    with pytest.raises((ValueError, TypeError), match=kind.__name__):
        kind(**options)


@pytest.mark.parametrize("assigner", EVERY, ids=repr)
def test_every_form_of_scores_gives_the_same(assigner):
    priors, gt = grid(), ground_truth()
    p = predictions(priors)
    probs = replace(p, scores=p.scores.double().sigmoid().float(), scores_are="probs")
    a, b = assigner(priors, gt, p), assigner(priors, gt, probs)
    assert (a.gt_index != b.gt_index).float().mean() < 0.002  # the last bits of a float32 probability
    nothing = torch.full_like(p.scores[..., :1], -30.0)
    soft = replace(p, scores=torch.cat([p.scores.softmax(-1).log(), nothing], -1), scores_are="softmax_logits")
    same = replace(p, scores=p.scores.softmax(-1), scores_are="probs")
    assert (assigner(priors, gt, soft).gt_index != assigner(priors, gt, same).gt_index).float().mean() < 0.002


def test_reasons_tell_losers_from_those_without_candidates():
    gt = objects([0.0, 0, 40, 40], [0.0, 0, 40, 40], [100.0, 100, 140, 140])
    p = network([0.0, 0, 40, 40])
    assert la.TaskAligned()(POINTS, gt, p).reasons == [Reason.FINE.name, Reason.LOST.name, Reason.NO_CANDIDATE.name]
