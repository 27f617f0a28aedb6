"""Methods of candidates by centres: the compiled library decides as the references do, whatever it is given."""

from dataclasses import replace

import pytest
import torch

import labelassign as la
from labelassign.ops.dispatch import OPS
from tests.kernels.test_native import CHANGES, both
from tests.parity import scenes
from tests.scenes import grid, ground_truth, predictions

ASSIGNERS = {
    "TaskAligned": la.TaskAligned(),
    "TaskAligned.tood": la.TaskAligned.tood(),
    "TaskAligned.ultralytics": la.TaskAligned.ultralytics(),
    "TaskAligned.ppyoloe": la.TaskAligned.ppyoloe(),
    "TaskAligned.giou": la.TaskAligned(overlap="giou", beta=1.0, topk=40),
    "TaskAligned.scores": la.TaskAligned(beta=0.0, ranked="every"),
    "SimOTA": la.SimOTA(),
    "SimOTA.mmdet": la.SimOTA.mmdet(),
    "SimOTA.yolox": la.SimOTA.yolox(),
    "SimOTA.box": la.SimOTA(region="box", others=0.0, cls_weight=0.0, topk=1),
    "DynamicSoftLabel": la.DynamicSoftLabel(),
    "DynamicSoftLabel.rtmdet": la.DynamicSoftLabel.rtmdet(),
    "DynamicSoftLabel.flat": la.DynamicSoftLabel(radius=0.0, iou_weight=0.0, others="any", conflict="all"),
}
PLAIN = ("TaskAligned", "SimOTA", "DynamicSoftLabel")


@pytest.mark.parametrize("integer", [False, True], ids=["float", "whole pixels"])
@pytest.mark.parametrize("count", [1, 23])
@pytest.mark.parametrize("name", ASSIGNERS)
def test_no_prior_differs(monkeypatch, name, count, integer):
    gt = scenes.pack([scenes.scene(count, 0, integer=integer)])
    p = scenes.predictions([scenes.output(count, 0, integer=integer)])
    both(monkeypatch, ASSIGNERS[name], scenes.priors(), gt, p)


@pytest.mark.parametrize("name", PLAIN)
def test_two_networks(monkeypatch, name):
    """Costs of the other network: LAD with targets of the student, and CoLAD, which reads moments, too."""
    gt = scenes.pack([scenes.scene(7, 1), scenes.scene(0, 1), scenes.scene(11, 2)])
    mine, other = (scenes.predictions([scenes.output(*of, n) for of in ((7, 1), (0, 1), (11, 2))]) for n in (0, 1))
    every = replace(ASSIGNERS[name], conflict="all")
    for assigner in (la.LAD(every, targets="student"), la.CoLAD(every, la.FisherScore(), "image")):
        both(monkeypatch, assigner, scenes.priors(), gt, mine, teacher=other)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("name", ASSIGNERS)
def test_predictions_of_every_kind(monkeypatch, name, change):
    priors, gt, p = grid(), ground_truth(classes=5), CHANGES[change](predictions(grid()))
    assigner = ASSIGNERS[name]
    both(monkeypatch, assigner, priors, gt, p)
    both(monkeypatch, assigner._propose, priors, gt, p)
    where = assigner._where(priors, gt, p)
    assert la.explain("central", *where, *assigner._lists, False).path == "native"
    assert la.explain("central_pairs", gt.labels, gt.labels, *where).path == "native"
    assert la.explain("central_answer", *where, 10, "listed", "iou", "all", False, 0.0, -1.0).path == "native"


def crowded(seed, objectness):
    """Priors per image, some invalid; objects of all sizes, some ignored; boxes near the priors or the objects."""
    g = torch.Generator().manual_seed(seed)
    priors, gt = grid(), ground_truth((17, 0, 40), seed=seed, classes=5)
    gt = replace(gt, ignore=torch.rand(gt.num_rows, generator=g) < 0.2).pad_to(gt.num_rows + 3)
    valid = torch.rand(3, priors.count, generator=g) < 0.8
    own = replace(priors, boxes=priors.boxes + 3 * torch.arange(3.0)[:, None, None], valid=valid)
    p = predictions(priors)
    boxes = p.boxes + (gt.boxes[torch.randint(0, 57, p.boxes.shape[:2], generator=g)] - p.boxes) * 0.8
    rate = torch.randn(p.boxes.shape[:2], generator=g) if objectness else None
    return own, gt, replace(p, boxes=boxes, objectness=rate)


@pytest.mark.parametrize("objectness", [False, True], ids=["", "objectness"])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ASSIGNERS)
def test_crowds_on_priors_of_their_own(monkeypatch, name, seed, objectness):
    both(monkeypatch, ASSIGNERS[name], *crowded(seed, objectness))


@pytest.mark.parametrize("stride", [0.0, -8.0, float("nan"), float("inf"), 1e-38])
@pytest.mark.parametrize("name", ["SimOTA", "SimOTA.mmdet", "DynamicSoftLabel", "DynamicSoftLabel.rtmdet"])
def test_strides_that_make_no_sense(monkeypatch, name, stride):
    priors, gt, p = crowded(5, False)
    steps = priors.strides.clone()
    steps[::3] = stride
    both(monkeypatch, ASSIGNERS[name], replace(priors, strides=steps), gt, p)


@pytest.mark.parametrize("name", PLAIN)
def test_boxes_as_large_as_numbers(monkeypatch, name):
    priors, gt, p = crowded(6, False)
    boxes, objects = p.boxes.clone(), gt.boxes.clone()
    boxes[:, ::5], boxes[:, 1::7] = 3e38, torch.tensor([-3e38, -3e38, 3e38, 3e38])
    objects[::6], objects[1::6] = torch.tensor([-3e38, -3e38, 3e38, 3e38]), torch.tensor([40.0, 40, 40, 40])
    for overlap in ("iou", "giou", "ciou") if name == "TaskAligned" else ("iou",):
        assigner = replace(ASSIGNERS[name], overlap=overlap) if name == "TaskAligned" else ASSIGNERS[name]
        both(monkeypatch, assigner, priors, replace(gt, boxes=objects), replace(p, boxes=boxes))


def test_twenty_thousand_objects(monkeypatch):
    priors = la.Priors.points(image_size=(64, 64), strides=(8, 16))
    gt, p = ground_truth((20000,), seed=3, classes=5), predictions(priors, 1)
    for name in PLAIN:
        both(monkeypatch, ASSIGNERS[name], priors, gt, p)


def test_what_it_does_not_take():
    priors, gt, p = grid(), ground_truth(classes=5), predictions(grid())
    central, where = OPS["central"], list(la.SimOTA()._where(priors, gt, p))
    negative = [*where[:18], [-1.0, 3.0, 1e-7], *where[19:]]
    assert "weights of 0 or more" in central.refusal("native", *negative, 10, 10, False)
    assert "keeps up to" in central.refusal("native", *where, 5000, 10, False)
    wide = la.SimOTA()._where(priors, gt, replace(p, boxes=p.boxes.double(), scores=p.scores.double()))
    assert "float64" in central.refusal("native", *wide, 10, 10, False)
    assert la.explain("central", *wide, 10, 10, False).path == "reference"


def test_indices_out_of_range_are_left_to_the_reference():
    priors, gt, p = grid(), ground_truth((2,)), predictions(grid(), 1)
    for row, prior in ((0, 10**6), (7, 0)):
        with pytest.raises((IndexError, RuntimeError)):
            la.SimOTA()._pairs(priors, gt, p, torch.tensor([row]), torch.tensor([prior]))
