"""Uniform, Rescue and keep_best: the compiled library gives the reference's answer bit for bit, whatever comes."""

from dataclasses import replace

import pytest
import torch

import labelassign as la
from labelassign.assigners.rescue import ROUNDS
from labelassign.ops.dispatch import OPS
from labelassign.ops.objects import objects
from labelassign.testing import same
from tests.kernels.test_native import CHANGES, both, misaligned
from tests.kernels.triton_scenes import spoiled_objects
from tests.parity import awkward_scenes, scenes
from tests.scenes import grid, ground_truth, predictions

POINTS = la.Priors.points(image_size=(256, 320), strides=(4, 8, 16))
NUMBERS = [float("nan"), float("inf"), -3e38, 3e38, -0.0, 1e-42]
WRAPPED = [la.ATSS(), la.MaxIoU(low_quality="off"), la.FCOS(), la.TaskAligned(topk2=1), la.Uniform(), la.SimOTA()]


@pytest.fixture(autouse=True)
def ran(monkeypatch):
    """Answers of the library; a call that it hands back to the reference is an error."""
    answers = []
    for name in ("uniform", "rescue", "keep_best"):
        op = OPS[name]
        run, refusal = op.fast["native"]

        def checked(*args, name=name, run=run):
            answers.append((name, run(*args)))
            assert answers[-1][1] is not NotImplemented
            return answers[-1][1]

        monkeypatch.setitem(op.fast, "native", (checked, refusal))
    return answers


def agree(name, *args):
    """One call of the op on both paths; the library's answer."""
    op = OPS[name]
    assert op.refusal("native", *args) is None
    kept = [t.clone() if isinstance(t, torch.Tensor) else t for t in args]
    got, want = op.fast["native"][0](*args), op.reference(*args)
    for i, (mine, theirs) in enumerate(zip(got, want, strict=True)):
        same.equal(f"output {i}", mine, theirs)
    for before, after in zip(kept, args, strict=True):
        assert not isinstance(before, torch.Tensor) or torch.equal(before.nan_to_num(7), after.nan_to_num(7))
    return got


def uniform(priors, gt, p, times=4, pos=0.15, neg=0.7, last=False, share=0.5):
    where = (priors.boxes, priors.valid, *objects(gt, p), p.scores, p.boxes)
    return agree("uniform", *where, times, pos, neg, last, share)


def rescue(priors, gt, answer=None, networks=(), least=1, listed=33, rounds=ROUNDS):
    """After ATSS, or after an answer of the caller's."""
    a = answer or la.ATSS()(priors, gt)
    weights = (a.cls_target, a.cls_weight, a.loc_weight)
    seen = [t for p in (*networks, None, None)[:2] for t in ((p.scores, p.boxes) if p else (None, None))]
    where = (priors.boxes, priors.valid, priors.strides, *objects(gt))
    return agree("rescue", *where, a.gt_index, a.quality, *weights, a.reason, *seen, least, listed, rounds)


def crowd(seed, count=40):
    """Three images, one empty; objects ignored, ill-formed and of padding; priors of their own, some invalid."""
    g = torch.Generator().manual_seed(seed)
    gt = ground_truth((count, 0, 17), seed=seed, classes=5)
    gt = spoiled_objects(replace(gt, ignore=torch.rand(gt.num_rows, generator=g) < 0.2))
    valid = torch.rand(3, POINTS.count, generator=g) < 0.8
    own = replace(POINTS, boxes=POINTS.boxes + 3 * torch.arange(3.0)[:, None, None], valid=valid)
    return own, gt, predictions(POINTS, seed=seed)


def sides(rule):
    return {"last": rule == "last write"}


@pytest.mark.parametrize("integer", [False, True], ids=["float", "whole pixels"])
@pytest.mark.parametrize("count", [1, 23, 150])
def test_no_prior_differs(monkeypatch, ran, count, integer):
    gt, priors = scenes.pack([scenes.scene(count, 0, integer=integer)]), scenes.priors()
    p = scenes.predictions([scenes.output(count, 0, 0, integer=integer)])
    for assigner in (la.Uniform(), la.Uniform.mmdet(), *(la.Rescue(inner) for inner in WRAPPED[:2])):
        both(monkeypatch, assigner, priors, gt, p)
    assert [name for name, _ in ran] == ["uniform", "uniform", "rescue", "rescue"]


@pytest.mark.parametrize("scene", awkward_scenes.NAMES)
def test_awkward_scenes(scene):
    gt, priors = scenes.pack([awkward_scenes.awkward()[scene]]), scenes.priors()
    p = scenes.predictions([scenes.output(gt.num_rows, 0, 0)])
    for last in (False, True):
        uniform(priors, gt, p, last=last)
        uniform(priors, gt, replace(p, boxes=priors.boxes[None].clone()), last=last)
    for least in (1, 3):
        rescue(priors, gt, least=least)
        rescue(replace(priors, strides=None), gt, least=least, listed=5)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("rule", ["closest", "last write"])
def test_crowds_of_uniform(rule, seed):
    priors, gt, p = crowd(seed)
    lost = torch.rand(3, POINTS.count, 1, generator=torch.Generator().manual_seed(seed)) < 0.1
    p = replace(p, scores=p.scores.masked_fill(lost & (torch.arange(6) == seed), float("-inf")))
    for times, pos, neg in ((4, 0.0, 0.7), (1, 0.15, 0.3), (128, 0.05, 0.0), (9, 0.01, 1.0)):
        got = uniform(priors, gt, p, times, pos, neg, **sides(rule))
        assert (got[0][~priors.valid] == la.IGNORE).all()
        assert torch.equal(got[6], (lost[..., 0] & priors.valid).sum(1))
        assert pos or (got[0] >= 0).any()
    shared = replace(POINTS, valid=priors.valid)
    uniform(shared, gt, p, pos=0.0, **sides(rule))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("inner", WRAPPED, ids=repr)
def test_crowds_of_rescue(inner, seed):
    priors, gt, p = crowd(seed)
    bad = replace(p, scores=p.scores.masked_fill(torch.rand(3, POINTS.count, 1) < 0.3, float("nan")))
    gt = replace(
        gt,
        labels=gt.labels.clamp(max=5),
        boxes=gt.boxes.nan_to_num(9.0, 9.0),
        ignore=gt.ignore | gt.boxes.isnan().any(1),
    )
    gt = replace(gt, boxes=torch.cat([gt.boxes[:, :2], torch.maximum(gt.boxes[:, 2:], gt.boxes[:, :2])], 1))
    answer = inner(priors, gt, bad)
    for least, listed in ((1, 33), (3, 3), (2, 256), (9, 12)):
        for networks in ((), (bad,), (bad, p.to(p.boxes.device)), (bad, bad)):
            got = rescue(priors, gt, answer, networks, least, listed)
            assert (got[0][~priors.valid] == la.IGNORE).all()
    assert (got[6] > 0).any()


@pytest.mark.parametrize("rounds", [1, 2, 5, 64])
def test_queues_end_alike_after_any_number_of_rounds(rounds):
    """Hundreds of objects in one place, each of which lists the same few priors."""
    priors = la.Priors.points(image_size=(64, 64), strides=(8, 16))
    middle = (32 + 12 * torch.randn(400, 2, generator=torch.Generator().manual_seed(rounds))).round()
    gt = la.GroundTruth.from_list([{"boxes": torch.cat([middle - 1, middle + 1], 1), "labels": [0] * 400}])
    for least, listed in ((1, 1), (1, 8), (3, 20)):
        got = rescue(priors, gt, least=least, listed=listed, rounds=rounds)
        assert got[6].sum() > 10


@pytest.mark.parametrize("change", CHANGES)
def test_predictions_of_every_kind(change):
    gt, p = ground_truth(), CHANGES[change](predictions(grid()))
    for last in (False, True):
        uniform(grid(), gt, p, last=last)
        uniform(grid(), gt, p, 7, 0.0, 0.2, last)
    rescue(grid(), gt, networks=(p,), least=30)
    rescue(grid(), gt, networks=(p, predictions(grid())), least=30)


@pytest.mark.parametrize("number", NUMBERS)
def test_numbers_of_every_kind(number):
    """In priors, strides, objects, predictions, costs and qualities, one at a time."""
    gt, priors, p = ground_truth((20, 3)), grid(), predictions(grid(), 2)
    boxes, strides, rows = priors.boxes.clone(), priors.strides.clone(), gt.boxes.clone()
    seen, scores = p.boxes.clone(), p.scores.clone()
    boxes[::7, 0], boxes[3::11, 3], strides[::5] = number, number, number
    rows[::3, 0], rows[1::5, 3] = number, number
    seen[:, ::4, 1], scores[:, 2::9, 3] = number, number
    for where, those in (
        (replace(priors, boxes=boxes), gt),
        (replace(priors, strides=strides), gt),
        (priors, replace(gt, boxes=rows)),
    ):
        for last in (False, True):
            uniform(where, those, p, pos=0.0, last=last)
            uniform(where, those, replace(p, boxes=seen, scores=scores), pos=0.0, last=last)
        before = la.ATSS()(priors, gt)
        spoiled = replace(before, quality=torch.where(torch.arange(priors.count) % 3 == 0, number, before.quality))
        for least in (1, 12):
            rescue(where, those, before, (replace(p, boxes=seen, scores=scores),), least)
            rescue(where, those, spoiled, (), least)


def test_ties_take_the_lower_prior():
    """Priors that repeat far beyond a block, under predictions that are all equal."""
    priors = la.Priors.from_boxes([[0.0, 0, 16, 16], [4, 4, 9, 9]] * 700, strides=[8] * 1400)
    gt = la.GroundTruth.from_list([{"boxes": [[4.0, 4, 8, 8], [4, 4, 8, 8], [300, 0, 310, 9]], "labels": [0] * 3}])
    p = la.Predictions(torch.full((1, 1400, 4), 5.0), torch.zeros(1, 1400, 3))
    for times in (1, 100):
        uniform(priors, gt, p, times, pos=0.0)
        uniform(priors.to("cpu"), gt, replace(p, boxes=priors.boxes[None].clone()), times, pos=0.0, last=True)
    nothing = replace(la.ATSS()(priors, gt), gt_index=torch.full((1, 1400), -1))
    for least in (1, 3, 200):
        got = rescue(priors, gt, nothing, least=least, listed=256)
        assert got[6].sum() > 0


@pytest.mark.parametrize("number", NUMBERS)
def test_keep_best(number):
    g = torch.Generator().manual_seed(3)
    index = torch.randint(-2, 9, (3, 700), generator=g)
    costs = (torch.rand(3, 700, generator=g) * 6).round()
    costs = torch.where(torch.rand(3, 700, generator=g) < 0.2, number, costs)
    for most in (1, 3, 256):
        got, paid = agree("keep_best", index, costs, most, 9)
        assert torch.bincount(got[got >= 0], minlength=9).max() <= most
        assert (paid[(got < 0) & (index >= 0)] == torch.inf).all()
    agree("keep_best", index.T.contiguous().T, misaligned(costs), 2, 9)
    agree("keep_best", index.clamp(max=-1), costs, 1, 1)
    agree("keep_best", index[:0], costs[:0], 1, 1)


def test_strided_tensors_are_read_as_they_are():
    gt, priors = ground_truth(), grid()
    a = la.ATSS()(priors, gt)
    fields = {name: getattr(a, name).T.contiguous().T for name in ("gt_index", "quality", "cls_weight")}
    rescue(replace(priors, boxes=priors.boxes.T.contiguous().T), gt, replace(a, **fields), least=20)


def test_refusals(monkeypatch):
    monkeypatch.undo()
    priors, gt, p = grid(), ground_truth((3,)), predictions(grid(), 1)
    n, turned = priors.count, "rotated boxes are read by the reference alone"
    args = (priors.boxes, None, *objects(gt, p), p.scores, p.boxes, 4, 0.15, 0.7, False, 0.5)
    for place, value, why in (
        (0, priors.boxes.double(), "it takes float32 tensors on the CPU here, got float64"),
        (2, torch.zeros(3, 5), turned),
        (8, torch.zeros(1, n, 5), turned),
        (7, p.scores.double(), "it takes float32 or float16 or bfloat16 tensors on the CPU here, got float64"),
        (7, p.scores[..., :0], "no classes: nothing to do fast"),
        (8, p.boxes[:, :7], f"the predictions are not of 1 images and {n} priors"),
        (9, 129, "129 closest priors: its lists have 1 to 128 places"),
        (11, -0.5, "the highest overlap of background is -0.5: no overlap is below 0"),
    ):
        assert OPS["uniform"].refusal("native", *args[:place], value, *args[place + 1 :]).startswith(why)
    a = la.ATSS()(priors, gt)
    answer = (a.gt_index, a.quality, a.cls_target, a.cls_weight, a.loc_weight, a.reason)
    args = (priors.boxes, None, priors.strides, *objects(gt), *answer, p.scores, p.boxes, None, None, 1, 33, 64)
    for place, value, why in (
        (0, torch.zeros(n, 5), turned),
        (2, priors.strides[:1], f"the strides are [1], of {n} priors"),
        (3, torch.zeros(3, 5), turned),
        (9, a.quality.double(), "it takes float32 tensors on the CPU here, got float64"),
        (10, a.cls_target[:, :4], f"the answer is not of 1 images, {n} priors and 3 rows"),
        (15, torch.zeros(1, n, 5), turned),
        (15, p.boxes[:, :7], f"the predictions are not of 1 images and {n} priors"),
        (19, 257, "1 priors for every object, of 257: its lists have 1 to 256 places"),
    ):
        assert OPS["rescue"].refusal("native", *args[:place], value, *args[place + 1 :]).startswith(why)
    for given, why in (
        ((a.gt_index, a.quality.half(), 1, 3), "it takes float32 tensors on the CPU here, got float16"),
        ((a.gt_index, a.quality[:, 1:], 1, 3), f"the costs are [1, {n - 1}], the index is [1, {n}]"),
        ((a.gt_index, a.quality, 257, 3), "257 priors to keep: its lists have 1 to 256 places"),
    ):
        assert OPS["keep_best"].refusal("native", *given).startswith(why)


def test_rows_that_are_not_there_are_left_to_the_reference(monkeypatch):
    monkeypatch.undo()
    index, cost = torch.tensor([[0, 5]]), torch.zeros(1, 2)
    assert OPS["keep_best"].fast["native"][0](index, cost, 1, 3) is NotImplemented
    with pytest.raises((RuntimeError, IndexError)):
        torch.ops.labelassign.keep_best(index, cost, 1, 3)
