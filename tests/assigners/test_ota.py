"""Golden facts of OTA, and two networks that decide together."""

from dataclasses import replace

import pytest
import torch

import labelassign as la
from tests.scenes import grid, ground_truth, predictions

POINTS = la.Priors.points(image_size=(64, 64), strides=(8,))


def objects(*boxes, labels=None):
    return la.GroundTruth.from_list([{"boxes": list(boxes), "labels": labels or [0] * len(boxes)}])


def network(boxes, logit=0.0, classes=2):
    boxes = torch.as_tensor(boxes, dtype=torch.float32).expand(1, POINTS.count, 4).contiguous()
    return la.Predictions(boxes, torch.full((1, POINTS.count, classes), logit))


@pytest.mark.parametrize(("side", "k"), [(40.0, 20), (30.0, 11), (8.0, 1)])
def test_an_object_takes_as_many_priors_as_its_overlaps_sum_up_to(side, k):
    gt, p = objects([0.0, 0, 40, 40]), network([0.0, 0, side, side])
    scores = torch.randn(p.scores.shape, generator=torch.Generator().manual_seed(0))
    a = la.OTA(eps=0.005, iterations=1000)(POINTS, gt, replace(p, scores=scores))
    assert a.diagnostics["supply"].tolist() == [k]
    assert a.per_gt_count.tolist() == [k]


def test_an_object_takes_its_second_choice_where_that_serves_another():
    first, second = [0.0, 0, 24, 24], [0.0, 0, 24, 24]
    logits = torch.full((1, POINTS.count, 2), -3.0)
    logits[0, :2] = torch.tensor([[3.0, 2.0], [2.5, -2.0]])
    p, rule = replace(network([0.0, 0, 8, 8]), scores=logits), la.OTA(eps=0.01, iterations=300)
    alone = [rule(POINTS, objects(box, labels=[label]), p) for label, box in enumerate((first, second))]
    assert [a.positive[0].nonzero().tolist() for a in alone] == [[[0]], [[0]]]
    a = rule(POINTS, objects(first, second, labels=[0, 1]), p)
    assert a.gt_index[0, :2].tolist() == [1, 0]
    assert a.per_gt_count.tolist() == [1, 1]
    assert a.quality[0, :2].min() > 0.9


def test_equal_objects_and_objects_between_the_priors():
    gt = objects([8.0, 8, 40, 40], [8.0, 8, 40, 40], [1.0, 1, 3, 3])
    a = la.OTA()(POINTS, gt, network([8.0, 8, 40, 40]))
    assert a.reasons == ["FINE", "LOST", "NO_CANDIDATE"]
    assert a.diagnostics["supply"].tolist()[2] == 0


def test_lists_that_are_too_short_keep_the_cheapest():
    priors, gt, p = grid(), ground_truth(), predictions(grid())
    whole, short = la.OTA()._propose(priors, gt, p), la.OTA(listed=4)._propose(priors, gt, p)
    assert whole.prior.shape[2] == 3 * 25 - 5  # the coarsest level has 20 priors
    assert (whole.count > 4).any()
    assert torch.equal(whole.prior[..., :4], short.prior)
    assert torch.equal(whole.best_iou, short.best_iou)
    assert torch.equal(whole.count[:, 0], (whole.prior >= 0).sum((1, 2)))


def test_twenty_thousand_objects_of_one_image_pass():
    priors = la.Priors.points(image_size=(512, 512), strides=(16,))
    g = torch.Generator().manual_seed(0)
    centre = torch.rand(20_000, 2, generator=g) * 512
    gt = objects(*torch.cat([centre - 12, centre + 12], 1).tolist())
    p = la.Predictions(
        priors.boxes[None] + torch.tensor([-12.0, -12, 12, 12]), torch.randn(1, priors.count, 1, generator=g)
    )
    a = la.OTA(iterations=5)(priors, gt, p)
    assert a.positive.all()
    assert set(a.reasons) <= {"FINE", "LOST", "NO_CANDIDATE"}
    assert la.OTA()._length(priors) == 25


@pytest.mark.parametrize("granularity", ["batch", "image", "gt"])
def test_two_networks_share_one_plan(granularity):
    priors, gt = grid(), ground_truth()
    mine, other = predictions(priors, seed=1), predictions(priors, seed=2)
    together = la.CoLAD(la.OTA(), la.Random(seed=3), granularity)
    a = together(priors, gt, mine, teacher=other, step=1)
    chosen = a.diagnostics["teacher_chosen"][:, 0]
    both = [la.OTA()._propose(priors, gt, p) for p in (mine, other)]
    want = torch.where(chosen, *(c.best_iou.double().sum((1, 2)).floor().clamp(min=1).long() for c in both[::-1]))
    want = torch.minimum(want, (both[0].prior >= 0).sum((1, 2)))
    assert torch.equal(a.diagnostics["supply"], want)
    if granularity == "gt":
        assert chosen.any()
        assert not chosen.all()


def test_under_mixed_rows_the_background_is_each_row_s_own():
    """A constant more in all classes but its own changes neither an object's excess nor the plan."""
    priors, gt = grid(), ground_truth((1, 1), classes=2)
    mine, other = predictions(priors, 2, seed=1, classes=2), predictions(priors, 2, seed=2, classes=2)
    co = la.CoLAD(la.OTA(), la.MeanCost(), "gt")
    a = co(priors, gt, mine, teacher=other)
    for row, image in ((0, 0), (1, 1)):
        network = other if bool(a.diagnostics["teacher_chosen"][row, 0]) else mine
        alone = la.OTA()(priors, gt, network)
        assert torch.equal(a.gt_index[image], alone.gt_index[image])
        torch.testing.assert_close(a.quality[image], alone.quality[image])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"topk": 0}, "`topk` > 0, got 0"),
        ({"radius": -1.0}, "`radius` > 0, got -1"),
        ({"eps": 0.0}, "`eps` > 0, got 0"),
        ({"iterations": 0}, "`iterations` > 0, got 0"),
        ({"listed": 0}, "`listed` > 0, got 0"),
        ({"iou_weight": -1.0}, "`iou_weight` >= 0, got -1"),
        ({"alpha": 2.0}, "0 <= alpha <= 1, got 2"),
    ],
)
def test_options_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        la.OTA(**options)


def test_priors_without_a_place_or_a_stride_are_refused():
    gt, p = objects([0.0, 0, 8, 8]), network([0.0, 0, 8, 8])
    with pytest.raises(ValueError, match=r"OTA: expected priors with a place.*Use Hungarian"):
        la.OTA()(la.Priors.queries(64), gt, p)
    with pytest.raises(ValueError, match=r"OTA: expected priors with `strides`"):
        la.OTA()(la.Priors.from_boxes(POINTS.boxes), gt, p)
