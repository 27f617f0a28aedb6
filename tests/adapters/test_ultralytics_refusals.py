"""What the adapter of ultralytics refuses."""

import pytest
import torch

import labelassign as la
from labelassign.adapters import Handle
from labelassign.adapters.ultralytics import attach
from tests.adapters.yolo import YOLO, detector, losses

STOCK = la.TaskAligned.ultralytics()


@pytest.mark.parametrize(
    ("model", "assigner", "options", "error", "message"),
    [
        (torch.nn.Linear(1, 1), la.ATSS(), {}, TypeError, "a YOLO of task detect, .* got Linear"),
        ("seg", la.ATSS(), {}, TypeError, "got YOLO over SegmentationModel"),
        ("v8", la.LAD(STOCK), {}, ValueError, "got LAD and teacher=None"),
        ("v8", la.ATSS(), {"teacher": ("v8",)}, ValueError, "got ATSS and teacher=DetectionModel"),
        ("v8", la.LAD(STOCK), {"teacher": ("v8", {"nc": 5})}, ValueError, "the model's `nc` 3, got 5"),
        ("v8", la.LAD(STOCK), {"teacher": ("v8-p2",)}, ValueError, "the model's `stride`"),
        ("v8", la.CoLAD(STOCK), {"teacher": ("26",)}, ValueError, "a CoLAD teacher with the same branches"),
        ("v8", la.ATSS(), {"one2one": la.ATSS()}, ValueError, "a model with a one-to-one branch"),
    ],
)
def test_what_does_not_fit_is_refused(model, assigner, options, error, message):
    made = _made(model)
    if "teacher" in options:
        version, *changes = options["teacher"]
        options = {"teacher": detector(version, **(changes[0] if changes else {}))}
    with pytest.raises(error, match=message):
        attach(made, assigner, **options)
    assert Handle.of(made) is None


def _made(model):
    if model == "seg":
        return YOLO("yolov8n-seg.yaml")
    return detector(model) if isinstance(model, str) else model


def test_two_assigners_a_mixed_pair_and_a_fused_teacher():
    model = detector("26")
    with attach(model, la.ATSS()), pytest.raises(ValueError, match="one that has one"):
        attach(model, la.ATSS())
    with pytest.raises(ValueError, match="LAD in both branches, or CoLAD in both"):
        attach(model, la.LAD(STOCK), one2one=la.CoLAD(STOCK), teacher=detector("26"))
    fused = detector("26").eval()
    fused.end2end = True
    with pytest.raises(ValueError, match="a teacher with all branches"):
        attach(model, la.LAD(STOCK), teacher=fused.fuse(verbose=False))
    with pytest.raises(TypeError, match="a detection model of ultralytics as the teacher, got Linear"):
        attach(model, la.LAD(STOCK), teacher=torch.nn.Linear(1, 1))


def test_a_model_without_gains_says_what_to_do():
    model = detector("v8")
    del model.args
    with attach(model, STOCK), pytest.raises(ValueError, match=r"ultralytics\.cfg\.get_cfg"):
        losses(model)


def test_yolo_train_does_not_take_a_second_network_into_its_optimizer():
    yolo = YOLO("yolov8n.yaml")
    with pytest.raises(ValueError, match="Its optimizer holds one network"):
        attach(yolo, la.CoLAD(STOCK), teacher=YOLO("yolov8n.yaml"))
