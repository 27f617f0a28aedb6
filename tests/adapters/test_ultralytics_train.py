"""Whole runs of ultralytics' own trainer, on four crops of real trees."""

import copy
import csv
import zipfile

import pytest
import torch

import labelassign as la
from examples.with_ultralytics import YOLO, write
from labelassign.adapters import Handle
from labelassign.adapters.ultralytics import attach

STOCK = la.TaskAligned.ultralytics()


class Noting(la.Assigner):
    """Another assigner, and the step of each of its calls, "val" where nothing can learn from it."""

    ignore_iof = None

    def __init__(self, inner):
        self.inner, self.calls = inner, []

    @property
    def needs(self):
        return self.inner.needs

    def _assign(self, priors, gt, predictions, teacher, step):
        self.calls.append((step, "val" if torch.is_inference_mode_enabled() else "train"))
        return self.inner._assign(priors, gt, predictions, teacher, step)

    def __deepcopy__(self, memo):
        return self


@pytest.fixture
def options(tmp_path):
    """Two batches per epoch, then one of validation; no pictures, nothing downloaded."""
    quiet = {"plots": False, "verbose": False, "deterministic": False, "workers": 0, "device": "cpu"}
    where = {"data": str(write(tmp_path)), "project": str(tmp_path / "runs"), "name": "run", "exist_ok": True}
    # chance is not the same with annotation checks, which draw from it
    still = dict.fromkeys(("mosaic", "hsv_h", "hsv_s", "hsv_v", "translate", "scale", "fliplr"), 0.0)
    return quiet | where | still | {"imgsz": 64, "batch": 2, "epochs": 2, "optimizer": "SGD", "lr0": 1e-3}


def table(folder):
    with open(folder / "results.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def pickles(path):
    """What a checkpoint would import."""
    with zipfile.ZipFile(path) as archive:
        return next(archive.read(name) for name in archive.namelist() if name.endswith("data.pkl"))


def test_training_and_validation_ask_the_assigner(options, tmp_path):
    yolo, teacher = YOLO("yolov8n.yaml"), YOLO("yolov8n.yaml")
    teacher.model = teacher.model.__class__("yolov8n.yaml", nc=1, verbose=False).train()
    teacher.model.args = {}
    before = copy.deepcopy(teacher.model.state_dict())
    noting = Noting(la.LAD(STOCK))
    logged = []
    handle = attach(yolo, noting, teacher=teacher)
    yolo.add_callback("on_fit_epoch_end", lambda trainer: logged.append(trainer.metrics))
    yolo.train(**options | {"epochs": 3, "val": False})  # it validates in the end whatever it is told
    assert noting.calls == [*((step, "train") for step in range(6)), (6, "val")]
    assert handle.step == 6
    assert handle.stats["positives"] > handle.stats["objects"] > 0
    assert logged[2]["assignment/positives"] == handle.stats["positives"]
    rows = table(tmp_path / "runs" / "run")
    assert len(rows) == 3
    assert not any(None in row or "assignment" in str(row) for row in rows)
    assert all(before[name].equal(value) for name, value in teacher.model.state_dict().items())
    assert all(each.grad is None for each in teacher.model.parameters())
    assert teacher.model.training
    # what was saved is a plain model, and so is what training leaves behind
    for name in ("last", "best"):
        assert b"labelassign" not in pickles(tmp_path / "runs" / "run" / "weights" / f"{name}.pt")
    assert Handle.of(yolo) is handle
    assert Handle.of(yolo.model) is Handle.of(yolo.trainer.model) is Handle.of(yolo.trainer.ema.ema) is None


def test_the_stock_rule_gives_the_stock_run(options, tmp_path):
    for name in ("stock", "ours"):
        yolo = YOLO("yolov8n.yaml")
        if name == "ours":
            attach(yolo, STOCK)
        yolo.train(**options | {"name": name})
    stock, ours = table(tmp_path / "runs" / "stock"), table(tmp_path / "runs" / "ours")
    assert [list(row) for row in ours] == [list(row) for row in stock]
    for mine, theirs in zip(ours, stock, strict=True):
        losses = [name for name in theirs if name.endswith("_loss")]
        assert len(losses) == 6
        assert [float(mine[name]) for name in losses] == pytest.approx([float(theirs[name]) for name in losses], 1e-3)


def test_an_interrupted_run_resumes_with_both_branches(options, tmp_path):
    first, many, one = YOLO("yolo26n.yaml"), Noting(la.ATSS()), Noting(la.TaskAligned.yolo26_one2one())
    attach(first, many, one2one=one)

    def recover(trainer):
        trainer.ema.ema = copy.deepcopy(trainer.model).eval()  # as a trainer does that has met a NaN

    def stop(trainer):
        raise KeyboardInterrupt

    first.add_callback("on_train_batch_end", recover)
    first.add_callback("on_fit_epoch_end", stop)
    with pytest.raises(KeyboardInterrupt):
        first.train(**options | {"val": False})
    last = tmp_path / "runs" / "run" / "weights" / "last.pt"
    assert many.calls == one.calls == [(0, "train"), (1, "train")]
    assert b"labelassign" not in pickles(last)
    second = YOLO(last)
    handle = attach(second, many, one2one=one)
    second.train(resume=True)
    assert many.calls[2:] == one.calls[2:] == [(2, "train"), (3, "train"), (4, "val")]
    assert handle.step == handle.one2one.step == 4
    assert handle.stats["one2one_positives"] > 0
    assert len(table(tmp_path / "runs" / "run")) == 2


def test_detach_takes_the_callbacks_away(options):
    yolo, noting = YOLO("yolov8n.yaml"), Noting(la.ATSS())
    stock = {event: list(functions) for event, functions in yolo.callbacks.items()}
    with attach(yolo, noting) as handle:
        assert Handle.of(yolo) is handle
        twin = copy.deepcopy(yolo)
        assert Handle.of(twin).model is twin
    assert yolo.callbacks == stock
    assert Handle.of(yolo) is None
    handle = attach(yolo, noting)
    yolo.add_callback("on_train_batch_end", lambda _: handle.detach())  # in the middle of a run
    yolo.train(**options)
    assert noting.calls == [(0, "train")]
    twin.train(**options)
    assert noting.calls[1:] == [(0, "train"), (1, "train"), (2, "val"), (2, "train"), (3, "train"), (4, "val")]
