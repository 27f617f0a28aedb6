"""The compiled library decides as the references do: on large scenes, and on tensors of every kind."""

import os
from dataclasses import replace

import pytest
import torch

import labelassign as la
from labelassign.ops.dispatch import OPS
from labelassign.testing import same
from labelassign.testing.laws.numbers import compare_paths
from tests.kernels.triton_cases import calls
from tests.parity import scenes
from tests.scenes import grid, ground_truth, predictions

ASSIGNERS = {
    "MaxIoU": la.MaxIoU(),
    "MaxIoU.rpn": la.MaxIoU.rpn(),
    "MaxIoU.ssd": la.MaxIoU.ssd(),
    "MaxIoU.mmdet_retinanet": la.MaxIoU.mmdet_retinanet(),
    "ATSS": la.ATSS(),
    "ATSS.original": la.ATSS.original(),
    "PAA": la.PAA(),
    "PAA.mmdet": la.PAA.mmdet(),
    "PAA.overlap": la.PAA(shared="overlap"),
    "LAD": la.LAD(la.PAA()),
    "CoLAD.official": la.CoLAD.official(),
    "CoLAD.FisherScore": la.CoLAD(la.PAA(), la.FisherScore(), "image"),
}
# the whole range of objects in the gate, where time is; the reference is what takes it
CALLS = calls()
COUNTS = scenes.COUNTS if os.environ.get("CI") == "true" else (1, 23)


def on(path, monkeypatch, call, *args, **named):
    monkeypatch.setenv("LABELASSIGN_PATH", path)
    return call(*args, **named)


def both(monkeypatch, call, *args, **named):
    """The same call on the reference and on the library; equal in all whole numbers, and in floats up to rounding."""
    want, got = (on(path, monkeypatch, call, *args, **named) for path in ("reference", "native"))
    if isinstance(want, la.Assignment):
        same.same(got, want)
        return
    for name, value in want.numpy().items():
        same.close(name, torch.from_numpy(got.numpy()[name]), torch.from_numpy(value))


@pytest.mark.parametrize("integer", [False, True], ids=["float", "whole pixels"])
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("name", ASSIGNERS)
def test_no_prior_differs(monkeypatch, name, count, integer):
    gt = scenes.pack([scenes.scene(count, 0, integer=integer)])
    mine, other = (scenes.predictions([scenes.output(count, 0, n, integer=integer)]) for n in (0, 1))
    both(monkeypatch, ASSIGNERS[name], scenes.priors(), gt, mine, teacher=other)


def test_a_batch_of_many_sizes(monkeypatch):
    gt = scenes.pack(scenes.scenes(1))
    p = scenes.predictions([scenes.output(count, 1) for count in scenes.COUNTS])
    for assigner in (la.MaxIoU(), la.ATSS(), la.PAA()):
        both(monkeypatch, assigner, scenes.priors(), gt, p)


def test_a_crowd_of_objects(monkeypatch):
    priors, gt = la.Priors.points(image_size=(320, 320), strides=(8, 16, 32)), ground_truth((3000,), seed=3)
    for assigner in (la.MaxIoU(), la.ATSS()):
        both(monkeypatch, assigner, priors, gt)


def strided(t):
    return t.mT.contiguous().mT


def misaligned(t):
    raw = torch.empty(t.numel() * t.element_size() + 1, dtype=torch.uint8)[1:]
    shifted = torch.frombuffer(memoryview(raw.numpy()), dtype=t.dtype).view(t.shape)
    assert shifted.data_ptr() % t.element_size()
    return shifted.copy_(t)


def spoiled(t, share):
    lost = torch.rand(t.shape[:2], generator=torch.Generator().manual_seed(5)) < share
    return t.masked_fill(lost[..., None], float("nan"))


CHANGES = {
    "few lost": lambda p: replace(p, scores=spoiled(p.scores, 0.05)),
    "many lost": lambda p: replace(p, boxes=spoiled(p.boxes, 0.5)),
    "float16": lambda p: replace(p, boxes=p.boxes.half(), scores=p.scores.half()),
    "bfloat16": lambda p: replace(p, boxes=p.boxes.bfloat16(), scores=p.scores.bfloat16()),
    "mixed": lambda p: replace(p, scores=p.scores.half()),
    "strided": lambda p: replace(p, boxes=strided(p.boxes), scores=strided(p.scores)),
    "expanded": lambda p: replace(p, scores=p.scores[:1].expand(3, -1, -1)),
    "misaligned": lambda p: replace(p, boxes=misaligned(p.boxes), scores=misaligned(p.scores)),
    "probabilities": lambda p: replace(p, scores=p.scores.sigmoid(), scores_are="probs"),
    "softmax": lambda p: replace(p, scores_are="softmax_logits"),
    "certain": lambda p: replace(p, scores=p.scores * 200),
    "turned over": lambda p: replace(p, boxes=p.boxes[..., [2, 3, 0, 1]]),
    "huge": lambda p: replace(p, scores=p.scores * 1e37),
    "far": lambda p: replace(p, boxes=p.boxes * 1e30),
    "nowhere": lambda p: replace(p, boxes=p.boxes + float("nan")),
}
COSTS = [la.FocalIoU(), la.FocalIoU(0.4, 1.5, True, 2.0), la.FocalIoU(gamma=0.0), la.FocalIoU(iou_weight=0.0)]


@pytest.mark.parametrize("cost", COSTS, ids=str)
@pytest.mark.parametrize("change", CHANGES)
def test_predictions_of_every_kind(monkeypatch, change, cost):
    priors, gt, p = grid(), ground_truth(classes=5), CHANGES[change](predictions(grid()))
    for paa in (la.PAA(cost=cost), la.PAA(cost=cost, topk=1), la.PAA(cost=cost, topk=500)):
        both(monkeypatch, paa, priors, gt, p)
        both(monkeypatch, paa._propose, priors, gt, p)
    assert la.explain("candidates", priors.boxes, None, gt.boxes, gt.labels, gt.offsets, gt.ignore, 6, p.scores,
                      p.boxes, list(priors.level_sizes)).path == "native"  # fmt: skip


@pytest.mark.parametrize("classes", [1, 2, 15, 16, 17, 80, 365])
def test_any_number_of_classes(monkeypatch, classes):
    priors = grid()
    gt, p = ground_truth(classes=classes), predictions(priors, classes=classes)
    both(monkeypatch, la.PAA()._propose, priors, gt, p)


@pytest.mark.parametrize("name", CALLS)
def test_calls_of_single_operations(name):
    op, args = CALLS[name]
    compare_paths(OPS[op], *args)


def test_float64_predictions_take_the_reference():
    priors, gt, p = grid(), ground_truth(), predictions(grid())
    wide = replace(p, boxes=p.boxes.double(), scores=p.scores.double())
    told = la.explain("candidates", priors.boxes, None, gt.boxes, gt.labels, gt.offsets, gt.ignore, 6, wide.scores,
                      wide.boxes, list(priors.level_sizes))  # fmt: skip
    assert told.path == "reference"
    assert "float64" in told.refusals["native"]
    same.same(la.PAA()(priors, gt, wide), la.PAA()(priors, gt, p))


def test_nothing_to_assign(monkeypatch):
    none = la.Priors.from_boxes(torch.zeros(0, 4))
    for priors in (none, grid()):
        for counts in ((0,), (0, 2)):
            gt, p = ground_truth(counts), predictions(priors, len(counts))
            for assigner in (la.MaxIoU(), la.ATSS(), la.PAA()):
                a = assigner(priors, gt, p)
                assert a.gt_index.shape == (len(counts), priors.count)


def test_indices_out_of_range_are_left_to_the_reference():
    gt, p = ground_truth((2,)), predictions(grid(), 1)
    for row, prior in ((0, 10**6), (0, -5), (7, 0)):
        with pytest.raises((IndexError, RuntimeError)):
            la.FocalIoU().pairs(gt, p, torch.tensor([row]), torch.tensor([prior]) - 10**7)
