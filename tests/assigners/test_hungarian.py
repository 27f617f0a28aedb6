"""Hungarian on small images that can be checked by hand, and by trying every matching."""

import itertools

import pytest
import torch

import labelassign as la
from tests.laws import matching

SIZE = (80, 100)
ROW = [[0.0, 0, 10, 10], [50, 40, 90, 70], [20, 20, 40, 60]]


def truth(*images, **fields):
    labels = [fields.get("labels", list(range(len(boxes)))) for boxes in images]
    extra = {k: v for k, v in fields.items() if k != "labels"}
    found = [{"boxes": b, "labels": c, "image_size": SIZE, **extra} for b, c in zip(images, labels, strict=True)]
    return la.GroundTruth.from_list(found)


def head(boxes, logits=None, scores_are="sigmoid_logits", classes=4):
    boxes = torch.as_tensor(boxes, dtype=torch.float32)
    boxes = boxes[None] if boxes.dim() == 2 else boxes
    logits = torch.zeros(*boxes.shape[:2], classes) if logits is None else torch.as_tensor(logits).float()
    return la.Predictions(boxes, logits[None] if logits.dim() == 2 else logits, scores_are)


def assign(rule, gt, p):
    return rule(la.Priors.queries(p.boxes.shape[1]), gt, p)


def invented(images, queries, seed=0, classes=5):
    random = torch.Generator().manual_seed(seed)
    corner = torch.rand(images, queries, 2, generator=random) * torch.tensor([70.0, 50.0])
    side = 2 + torch.rand(images, queries, 2, generator=random) * 28
    logits = 2 * torch.randn(images, queries, classes, generator=random)
    return head(torch.cat([corner, corner + side], -1), logits)


RULES = [la.Hungarian(), la.Hungarian.detr(), la.Hungarian.deformable_detr(), la.Hungarian("focal", 0.0, 1.0, 0.0)]


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("seed", range(4))
def test_no_other_matching_costs_less(rule, seed):
    gt, p = truth(ROW), invented(1, 5, seed)
    cost = matching.costs(rule, SIZE, p, 0, gt.boxes.numpy(), gt.labels.numpy())
    least = min(itertools.permutations(range(5), 3), key=lambda m: sum(cost[r, q] for r, q in enumerate(m)))
    index = assign(rule, gt, p).gt_index[0].tolist()
    assert [index.index(r) for r in range(3)] == list(least)


def test_the_parts_of_the_cost():
    """One object, one query: what quality is the logistic function of."""
    gt = truth([[10.0, 10, 30, 50]], labels=[1])
    p = head([[20.0, 10, 40, 50]], [[0.5, -1.0, 2.0]])

    def cost(**weights):
        rule = la.Hungarian(**{"cls_weight": 0.0, "l1_weight": 0.0, "giou_weight": 0.0, **weights})
        return torch.logit(assign(rule, gt, p).quality.double()).neg().item()

    probability = torch.sigmoid(torch.tensor(-1.0).double())
    assert cost(cls_weight=1.0) == pytest.approx(-probability.item(), rel=1e-5)
    assert cost(l1_weight=1.0) == pytest.approx(10 / 100, rel=1e-5)
    assert cost(giou_weight=1.0) == pytest.approx(-1 / 3, rel=1e-5)  # they share half of each; the hull is the union
    there = 0.25 * (1 - probability) ** 2 * -probability.log() - 0.75 * probability**2 * -(1 - probability).log()
    assert cost(cls_cost="focal", cls_weight=1.0) == pytest.approx(there.item(), rel=1e-5)
    kept = 0.25 * (1 - probability) ** 2 * -(probability + 0.1).log()
    kept -= 0.75 * probability**2 * -(1 - probability + 0.1).log()
    assert cost(cls_cost="focal", cls_weight=1.0, eps=0.1) == pytest.approx(kept.item(), rel=1e-5)
    assert cost(cls_weight=2.0, l1_weight=3.0) == pytest.approx(0.3 - 2 * probability.item(), rel=1e-5)
    p = head([[20.0, 10, 40, 50]], [[0.5, -1.0, 2.0]], "softmax_logits")  # two classes and "no object"
    softmax = torch.tensor([0.5, -1.0, 2.0]).double().softmax(0)[1]
    assert cost(cls_weight=1.0) == pytest.approx(-softmax.item(), rel=1e-5)


def test_images_are_measured_by_their_own_size():
    boxes, seen = [[0.0, 0, 20, 20]], [[10.0, 0, 30, 20], [0, 12, 20, 32]]
    rule = la.Hungarian(cls_weight=0.0, l1_weight=1.0, giou_weight=0.0)
    images = [{"boxes": boxes, "labels": [0], "image_size": size} for size in ((100, 100), (200, 100))]
    a = assign(rule, la.GroundTruth.from_list(images), head([seen, seen]))
    assert a.gt_index.tolist() == [[0, -1], [-1, 1]]  # 10 / 100 is less than 12 / 100, and more than 12 / 200


def test_every_query_serves_one_object_and_all_others_are_background():
    gt, p = truth(ROW, ROW[:0], ROW[:1]), invented(3, 20)
    a = assign(la.Hungarian(), gt, p)
    assert a.per_gt_count.tolist() == [1, 1, 1, 1]
    assert a.positive.sum(1).tolist() == [3, 0, 1]
    assert (a.background | a.positive).all()
    assert a.reasons == ["FINE"] * 4
    pairs = a.to_pairs()
    assert [sorted(row.tolist()) for _, row in pairs] == [[0, 1, 2], [], [0]]
    assert torch.equal(a.cls_target, a.positive.float())
    assert ((a.quality > 0) == a.positive).all()


def test_quality_rises_as_the_cost_falls():
    gt = truth([[10.0, 10, 30, 50]])
    found = [assign(la.Hungarian(), gt, head([[10.0 + d, 10, 30 + d, 50]])).quality.item() for d in range(0, 60, 5)]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found)


def test_more_objects_than_queries_leaves_the_dearest_out():
    gt, p = truth([*ROW, [0.0, 60, 10, 80]]), head(ROW[:2])
    a = assign(la.Hungarian(), gt, p)
    assert a.gt_index.tolist() == [[0, 1]]
    assert a.reasons == ["FINE", "FINE", "LOST", "LOST"]


def test_what_is_not_finite_is_never_matched_and_raises_nothing():
    gt = truth(ROW)
    for bad, place in itertools.product((torch.nan, torch.inf, -torch.inf), ("boxes", "scores")):
        p = invented(1, 4)
        getattr(p, place)[0, 1, 3] = bad
        a = assign(la.Hungarian.dino(), gt, p)
        assert a.per_gt_count.tolist() == [1, 1, 1]
        assert a.gt_index[0, 1] == la.BACKGROUND
        assert a.diagnostics["non_finite"].tolist() == [1]
        getattr(p, place)[0, :3, 0] = bad  # one query is left for three objects
        a = assign(la.Hungarian.dino(), gt, p)
        assert a.positive.tolist() == [[False, False, False, True]]
        assert sorted(a.reasons) == ["FINE", "LOST", "LOST"]
        getattr(p, place)[0, 3, 0] = bad
        a = assign(la.Hungarian.dino(), gt, p)
        assert not a.positive.any()
        assert a.reasons == ["NO_CANDIDATE"] * 3
        assert a.diagnostics["non_finite"].tolist() == [4]


def test_groups_are_assignments_of_their_own():
    gt, p = truth(ROW, ROW[:2]), invented(2, 24)
    whole = assign(la.Hungarian(groups=4), gt, p)
    assert whole.per_gt_count.tolist() == [4] * 5
    for group in range(4):
        part = slice(6 * group, 6 * group + 6)
        alone = assign(la.Hungarian(), gt, la.Predictions(p.boxes[:, part], p.scores[:, part]))
        assert torch.equal(whole.gt_index[:, part], alone.gt_index)
        assert torch.equal(whole.quality[:, part], alone.quality)


def test_repeats_give_each_object_several_queries():
    gt, p = truth(ROW, ROW[:1]), invented(2, 10)
    assert assign(la.Hungarian(repeats=3), gt, p).per_gt_count.tolist() == [3, 3, 3, 3]
    assert assign(la.Hungarian(repeats=6), gt, p).per_gt_count.tolist() == [3, 3, 3, 6]
    assert torch.equal(assign(la.Hungarian(repeats=1), gt, p).gt_index, assign(la.Hungarian(), gt, p).gt_index)


def test_layers_fold_into_the_batch():
    gt, layers = truth(ROW, ROW[:2]), [invented(2, 12, seed) for seed in range(3)]
    folded = la.Predictions(*(torch.cat([getattr(p, name) for p in layers]) for name in ("boxes", "scores")))
    a = assign(la.Hungarian(), la.GroundTruth.from_list(gt.to_list() * 3), folded)
    for layer, p in enumerate(layers):
        alone = assign(la.Hungarian(), gt, p)
        rows = torch.where(a.gt_index >= 0, a.gt_index - 5 * layer, a.gt_index)[2 * layer : 2 * layer + 2]
        assert torch.equal(rows, alone.gt_index)


def test_equal_queries_and_equal_objects_go_in_order():
    a = assign(la.Hungarian(), truth([ROW[1], ROW[1]], labels=[2, 2]), head([ROW[0], ROW[1], ROW[1], ROW[1]]))
    assert a.gt_index.tolist() == [[-1, 0, 1, -1]]
    assert la.Hungarian()(la.Priors.queries(5), truth(ROW), head([ROW[0]] * 5)).gt_index.tolist() == [[0, 1, 2, -1, -1]]


def test_a_query_in_a_crowd_region_is_ignored_unless_it_serves_an_object():
    gt = truth([[0.0, 0, 40, 40], [0, 0, 50, 50]], labels=[0, 0], iscrowd=[0, 1])
    p = head([[0.0, 0, 40, 40], [5, 5, 30, 30], [60, 60, 90, 70]])
    assert assign(la.Hungarian(), gt, p).gt_index.tolist() == [[0, la.IGNORE, la.BACKGROUND]]
    assert assign(la.Hungarian.detr(), gt, p).gt_index.tolist() == [[0, la.BACKGROUND, la.BACKGROUND]]


def test_invalid_queries_take_no_part():
    gt, p = truth(ROW), invented(1, 6)
    free = assign(la.Hungarian(), gt, p)
    valid = ~free.positive
    queries = la.Priors(torch.zeros(6, 4), (6,), valid=valid, kind="queries")
    p.scores[~valid] = torch.nan
    p.boxes[0, valid[0].nonzero()[0, 0]] = torch.inf
    a = la.Hungarian()(queries, gt, p)
    assert a.diagnostics["non_finite"].tolist() == [1]  # of those that could have taken part
    assert a.positive.sum() == 2
    assert not a.positive[~valid].any()
    assert torch.equal(a.ignored, ~valid)


def test_half_precision_boxes_and_padding_change_nothing():
    gt, p = truth(ROW, ROW[:1]), invented(2, 9)
    half = la.Predictions(p.boxes.half(), p.scores.half())
    same = la.Predictions(half.boxes.float(), half.scores.float())
    a = assign(la.Hungarian.dino(), gt.pad_to(9), half)
    assert torch.equal(a.gt_index, assign(la.Hungarian.dino(), gt, same).gt_index)
    assert a.reasons[4:] == ["PADDING"] * 5


def test_presets():
    assert la.Hungarian.detr() == la.Hungarian("probability", 1.0, 5.0, 2.0, ignore_iof=None)
    assert la.Hungarian.rt_detr() == la.Hungarian("focal", 2.0, 5.0, 2.0, 0.25, 2.0, 1e-8, ignore_iof=None)
    assert la.Hungarian.deformable_detr(1.0).cls_weight == 1.0
    assert la.Hungarian.dino(13, 1e-12) == la.Hungarian("focal", 2.0, eps=1e-12, groups=13, ignore_iof=None)
