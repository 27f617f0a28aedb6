"""Input that is strange and legal gets a well-formed, finite answer from every assigner."""

import pytest
import torch

import labelassign as la
from tests.laws.matching import Sized
from tests.scenes import grid, predictions

ASSIGNERS = [
    la.MaxIoU(),
    la.MaxIoU.rpn(),
    la.MaxIoU.ssd(),
    la.MaxIoU.mmdet_retinanet(),
    la.ATSS(),
    la.ATSS.mmdet(),
    la.PAA(),
    la.PAA.mmdet(),
    la.PAA.original(),
    la.PAA(shared="overlap"),
    la.LAD(la.PAA()),
    la.FCOS(),
    la.FCOS.mmdet(),
    la.FCOS.torchvision(),
    la.Uniform(),
    la.Uniform.mmdet(),
    la.OTA(),
    la.OTA(rescale=True),
    Sized(la.Hungarian()),
    Sized(la.Hungarian.dino()),
    Sized(la.Hungarian("focal", repeats=4)),
    *(la.CoLAD(la.PAA(), c, g) for c in (la.StdMean(), la.FisherScore()) for g in ("batch", "image", "gt", "gt_level")),
]
every_assigner = pytest.mark.parametrize("assigner", ASSIGNERS, ids=str)


def check(a, priors, gt):
    assert a.gt_index.shape == (gt.num_images, priors.count)
    own = gt.offsets[:-1, None] <= a.gt_index
    own &= a.gt_index < gt.offsets[1:, None]
    assert (own | (a.gt_index == la.BACKGROUND) | (a.gt_index == la.IGNORE)).all()
    for value in (a.quality, a.cls_target, a.cls_weight, a.loc_weight, *a.diagnostics.values()):
        assert torch.isfinite(value).all()
    for value in (a.quality, a.cls_target, a.cls_weight, a.loc_weight):
        assert ((value >= 0) & (value <= 1)).all()
    assert (a.loc_weight[~a.positive] == 0).all()
    assert (a.cls_weight[a.ignored] == 0).all()
    return a


def run(assigner, priors, gt, p=None):
    p = predictions(priors, gt.num_images) if p is None else p
    return check(assigner(priors, gt, p, teacher=p, step=0), priors, gt)


def one(*boxes, **fields):
    return la.GroundTruth.from_list([{"boxes": list(boxes), "labels": [0] * len(boxes), **fields}])


BOXES = {
    "zero area": [[30.0, 30, 30, 30]],
    "a line": [[10.0, 30, 60, 30]],
    "one pixel": [[31.0, 31, 32, 32]],
    "outside": [[-90.0, -90, -50, -50], [500, 500, 600, 600]],
    "half outside": [[-40.0, -40, 20, 20], [140, 110, 220, 190]],
    "the whole image and more": [[-1e4, -1e4, 1e4, 1e4]],
    "huge": [[-1e30, -1e30, 1e30, 1e30], [0, 0, 1e30, 1e30]],
    "tiny": [[30.0, 30, 30 + 1e-5, 30 + 1e-5]],
    "the same twice": [[20.0, 20, 60, 60], [20, 20, 60, 60]],
    "more objects than priors": [[x * 8.0, y * 8.0, x * 8 + 20.0, y * 8 + 20.0] for y in range(25) for x in range(20)],
}


@every_assigner
@pytest.mark.parametrize("name", BOXES)
def test_strange_objects(assigner, name):
    run(assigner, grid(), one(*BOXES[name]))


@every_assigner
def test_images_without_objects_are_all_background(assigner):
    priors = grid()
    gt = la.GroundTruth.from_list([{"boxes": [], "labels": []}] * 2)
    assert run(assigner, priors, gt).background.all()
    assert run(assigner, priors, gt.pad_to(3)).background.all()


@every_assigner
def test_only_crowds(assigner):
    a = run(assigner, grid(), one([0.0, 0, 80, 80], iscrowd=[1]))
    assert not a.positive.any()
    assert a.ignored.any() == (assigner.ignore_iof is not None)
    assert a.reasons == ["IGNORED"]


@every_assigner
def test_a_level_without_priors(assigner):
    full = grid()
    priors = la.Priors(full.boxes, (320, 0, 80, 20), full.strides)
    gt = one([20.0, 20, 60, 60], [50, 10, 140, 100])
    p = predictions(full, 1)
    assert torch.equal(run(assigner, priors, gt, p).gt_index, run(assigner, full, gt, p).gt_index)


@every_assigner
def test_no_priors_at_all(assigner):
    priors = la.Priors.from_boxes(torch.zeros(0, 4), strides=torch.zeros(0))
    gt = one([20.0, 20, 60, 60])
    a = run(assigner, priors, gt, la.Predictions(torch.zeros(1, 0, 4), torch.zeros(1, 0, 3)))
    assert a.reasons == ["NO_CANDIDATE"]


@every_assigner
def test_one_prior_and_one_class(assigner):
    priors = la.Priors.from_boxes([[20.0, 20, 60, 60]], strides=[8])
    run(assigner, priors, one([22.0, 20, 60, 60]), la.Predictions(torch.rand(1, 1, 4), torch.randn(1, 1, 1)))


@every_assigner
def test_all_priors_invalid(assigner):
    full = grid()
    priors = la.Priors(full.boxes, full.level_sizes, full.strides, valid=torch.zeros(1, 420, dtype=torch.bool))
    a = run(assigner, priors, one([20.0, 20, 60, 60]))
    assert a.ignored.all()
    assert a.reasons == ["NO_CANDIDATE"]


@every_assigner
def test_broken_priors_of_a_proposal_network_own_nothing(assigner):
    boxes = grid().boxes.repeat(1, 1, 1)
    boxes[0, ::3] = torch.tensor([torch.nan, 0, 40, 40])
    boxes[0, 1::7, 2] = torch.inf
    priors = la.Priors.from_boxes(boxes, strides=grid().strides)
    gt = one([20.0, 20, 60, 60], [50, 10, 140, 100])
    a = run(assigner, priors, gt, la.Predictions(grid().boxes[None], torch.randn(1, 420, 3)))
    assert not a.positive[~torch.isfinite(boxes).all(-1)].any()
    assert a.positive.any()


PREDICTING = [a for a in ASSIGNERS if "predictions" in a.needs or "teacher" in a.needs]
HOSTILE = {"nan": torch.nan, "inf": torch.inf, "-inf": -torch.inf, "1e30": 1e30, "-1e30": -1e30, "3e38": 3e38}


@pytest.mark.parametrize("assigner", PREDICTING, ids=str)
@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("where", ["boxes", "scores", "both", "everything"])
def test_hostile_predictions_never_raise_and_the_non_finite_never_win(assigner, name, where):
    priors, gt = grid(), one([20.0, 20, 60, 60], [50, 10, 140, 100])
    p = predictions(priors, 1)
    boxes, scores = p.boxes.clone(), p.scores.clone()
    every = slice(None, None, 1 if where == "everything" else 3)
    if where != "scores":
        boxes[:, every, 2] = HOSTILE[name]
    if where != "boxes":
        scores[:, every, 0] = HOSTILE[name]
    broken = la.Predictions(boxes, scores)
    a = run(assigner, priors, gt, broken)
    finite = torch.isfinite(boxes).all(-1) & torch.isfinite(scores).all(-1)
    assert not a.positive[~finite].any()
    assert a.positive.any() or where == "everything"
    if not finite.all():
        assert a.diagnostics["non_finite"].sum() > 0


@pytest.mark.parametrize("assigner", PREDICTING, ids=str)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_equal_float32_of_the_same_numbers(assigner, dtype):
    priors, gt = grid(), one([20.0, 20, 60, 60], [50, 10, 140, 100])
    p = predictions(priors, 1)
    half = la.Predictions(p.boxes.to(dtype), p.scores.to(dtype))
    same = la.Predictions(half.boxes.float(), half.scores.float())
    assert torch.equal(run(assigner, priors, gt, half).gt_index, run(assigner, priors, gt, same).gt_index)


def test_autocast_and_gradients_change_nothing():
    priors, gt = grid(), one([20.0, 20, 60, 60], [50, 10, 140, 100])
    p = predictions(priors, 1)
    learning = la.Predictions(p.boxes.clone().requires_grad_(), p.scores.clone().requires_grad_())
    with torch.autocast("cpu", torch.bfloat16):
        a = la.PAA()(priors, gt, learning)
    assert torch.equal(a.gt_index, la.PAA()(priors, gt, p).gt_index)
    assert not any(t.requires_grad for t in (a.quality, a.cls_target, *a.diagnostics.values()))
