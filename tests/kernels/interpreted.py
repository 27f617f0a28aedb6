"""Triton's kernels on CPU tensors by Triton's own interpreter: they answer what the references answer.

Not collected by its name: test_triton.py runs it in a process with TRITON_INTERPRET=1, which triton reads as it loads.
"""

from dataclasses import replace

import pytest
import torch
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import labelassign as la
from labelassign.ops.accelerator import INTERPRETED
from labelassign.ops.dispatch import OPS
from labelassign.testing import predictions, scenes
from labelassign.testing.laws.numbers import _Compared, compare_paths
from tests.kernels.triton_cases import calls
from tests.scenes import grid, ground_truth
from tests.scenes import predictions as some

assert INTERPRETED
SETTINGS = settings(max_examples=15, deadline=None, phases=[Phase.explicit, Phase.generate], derandomize=True)
CALLS = calls()
TAKEN = set()


@pytest.fixture(autouse=True, scope="module")
def _triton_alone():
    """No other fast path beside the reference, and a note of the ops whose Triton path ran."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LABELASSIGN_PATH", "reference")  # for ops inside of references
        for op in OPS.values():
            patch.delitem(op.fast, "native", raising=False)
            for path, (run, refusal) in op.fast.items():
                patch.setitem(op.fast, path, (_noted(op.name, run), refusal))
        yield


def _noted(name, run):
    def noting(*args):
        TAKEN.add(name)
        return run(*args)

    return noting


def took(*names):
    """These ops, and no others, have run on Triton since the last question."""
    found = set(TAKEN)
    TAKEN.clear()
    assert found == set(names)


@pytest.mark.parametrize("name", CALLS)
def test_every_call_agrees_with_the_reference(name):
    op, args = CALLS[name]
    compare_paths(OPS[op], *args)
    took(op)


ONE = [la.PAA(), la.PAA.mmdet(), la.PAA.original(), la.MaxIoU.rpn(), la.MaxIoU.ssd()]
CENTRAL = [
    *(la.TaskAligned(), la.TaskAligned.tood(), la.TaskAligned.ultralytics(), la.TaskAligned.ppyoloe()),
    *(la.SimOTA(), la.SimOTA.yolox(), la.DynamicSoftLabel.rtmdet()),
]
TWO = [la.CoLAD(la.PAA(), granularity="gt"), la.CoLAD.official()]


@pytest.mark.parametrize("assigner", [*ONE, *TWO, *CENTRAL], ids=repr)
def test_scenes_agree(assigner):
    @SETTINGS
    @given(scenes(max_objects=3))
    def agrees(scene):
        with _Compared():
            scene.assign(assigner)

    agrees()
    own = {la.PAA: ["paa"], la.CoLAD: ["rivals", "award"], la.MaxIoU: ["max_iou"]}
    took(*own.get(type(assigner), ["central_answer"]))


def test_hostile_predictions_agree():
    priors, gt = la.Priors.grid(image_size=(128, 160), strides=(32, 64), scale=2), ground_truth((2, 1))

    @SETTINGS
    @given(predictions(priors, 2, 6, hostile=True), st.sampled_from((*ONE[:2], TWO[0], *CENTRAL)))
    def agrees(p, assigner):
        other = replace(p, scores=p.scores.flip(0), boxes=p.boxes.flip(0))
        with _Compared():
            assigner(priors, gt, p, teacher=other)

    agrees()
    TAKEN.clear()


@pytest.mark.parametrize("criterion", [la.StdMean(), la.FisherScore()], ids=repr)
@pytest.mark.parametrize("granularity", ["batch", "gt_level"])
def test_co_learning_agrees(criterion, granularity):
    priors, gt = grid(), ground_truth((2, 0, 1))
    p = some(priors)
    teacher = replace(p, scores=p.scores.flip(0))
    with _Compared():
        la.CoLAD(la.PAA(), criterion, granularity)(priors, gt, p, teacher=teacher)
    took("rivals", "award")


def test_distillation_agrees():
    priors, gt = grid(), ground_truth((2, 0, 1))
    p = some(priors)
    teacher = replace(p, scores=p.scores.flip(0))
    with _Compared():
        la.LAD(la.PAA())(priors, gt, teacher=teacher)
    took("paa")


def test_a_larger_pyramid_agrees():
    priors = la.Priors.grid(image_size=(448, 448), strides=(8, 16, 32), scale=4)
    assert priors.count == 4116
    gt = ground_truth((5,), classes=3)
    gt = replace(gt, boxes=gt.boxes * 2.5)
    p = some(priors, 1, classes=3)
    with _Compared():
        la.PAA()(priors, gt, p)
        took("paa")
        la.TaskAligned()(priors, gt, p)
        took("central_answer")
        la.CoLAD(la.PAA())(priors, gt, p, teacher=p)
    took("rivals", "award")


def test_images_without_objects_agree():
    priors, gt = grid(), ground_truth((0, 0, 0))
    with _Compared():
        assert la.PAA()(priors, gt, some(priors)).gt_index.max() == -1
        assert la.MaxIoU.rpn()(priors, gt).gt_index.max() == -1
        assert la.SimOTA.mmdet()(priors, gt, some(priors)).gt_index.max() == -1
    took("paa", "max_iou", "central_answer")


def test_without_priors_the_path_refuses(monkeypatch):
    monkeypatch.delenv("LABELASSIGN_PATH")
    priors, gt = la.Priors.from_boxes(torch.zeros(0, 4)), ground_truth((1,))
    assert la.MaxIoU()(priors, gt).gt_index.shape == (1, 0)
    took()
