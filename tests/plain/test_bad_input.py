"""Bad input gets an error that says who, what was expected, what came, and what to do."""

import pytest
import torch

import labelassign as la
from tests.scenes import grid, ground_truth, predictions

PRIORS, GT = grid(), ground_truth()
P = predictions(PRIORS)
BOXES, LABELS, OFFSETS = GT.boxes, GT.labels, GT.offsets
NOT = torch.zeros(8, dtype=torch.bool)
OTHER_GRID = la.Priors.grid(image_size=(96, 160), strides=(8, 16, 32), scale=4)
LEVELS = [torch.randn(3, 6, *s) for s in ((16, 20), (8, 10), (4, 5))]


def raw(boxes=BOXES, labels=LABELS, offsets=OFFSETS, ignore=NOT):
    return la.GroundTruth(boxes, labels, offsets, ignore)


def network(level_sizes=PRIORS.level_sizes, device="cpu", classes=6):
    return la.Predictions(P.boxes, P.scores[..., :classes], "sigmoid_logits", None, level_sizes).to(device)


# what is called, the error, and the parts that its message must have
CASES = {
    "boxes of a wrong shape": (
        lambda: la.GroundTruth.from_list([{"boxes": [[1.0, 2, 3]], "labels": [0]}]),
        ValueError,
        ["GroundTruth.from_list, image 0", "`boxes` [n, 4]", "float32 tensor [1, 3] on cpu", "Reshape"],
    ),
    "a key is missing": (
        lambda: la.GroundTruth.from_list([{"boxes": [], "labels": []}, {"boxes": []}]),
        ValueError,
        ["GroundTruth.from_list, image 1", "keys `boxes` and `labels`", "['boxes']", "an image without objects"],
    ),
    "no image": (lambda: la.GroundTruth.from_list([]), ValueError, ["at least one image", "an empty list"]),
    "not an array": (
        lambda: la.GroundTruth.from_list([{"boxes": "many", "labels": []}]),
        TypeError,
        ["image 0", "`boxes` to be an array", "str 'many'", "NumPy/JAX/CuPy"],
    ),
    "counts differ": (
        lambda: la.GroundTruth.from_list([{"boxes": [[0.0, 0, 1, 1]], "labels": [0, 1]}]),
        ValueError,
        ["image 0", "the same number of objects", "boxes: 1, labels: 2", "one row per object"],
    ),
    "double boxes in the record": (
        lambda: raw(boxes=BOXES.double()),
        TypeError,
        ["GroundTruth", "`boxes` [G, 4] (float32)", "float64 tensor [8, 4]", "`from_*` constructor"],
    ),
    "labels of another length": (
        lambda: raw(labels=LABELS[:5]),
        ValueError,
        ["GroundTruth", "`labels` [8] (int64)", "int64 tensor [5]"],
    ),
    "levels do not add up": (
        lambda: la.Priors(PRIORS.boxes, (320, 80, 21)),
        ValueError,
        ["Priors", "`level_sizes` that add up to N = 420", "(320, 80, 21)", "every level"],
    ),
    "integer scores": (
        lambda: la.Predictions(P.boxes, P.scores.long()),
        TypeError,
        ["Predictions", "`scores` [3, 420, C] (floating)", "int64 tensor [3, 420, 6]"],
    ),
    "scores of other priors": (
        lambda: la.Predictions(P.boxes, P.scores[:, :400]),
        ValueError,
        ["Predictions", "[3, 420, C]", "[3, 400, 6]"],
    ),
    "an unknown kind of score": (
        lambda: la.Predictions(P.boxes, P.scores, "logits"),
        ValueError,
        ["`scores_are` to be one of", "'sigmoid_logits'", "'logits'"],
    ),
    "maps of another grid": (
        lambda: la.Predictions.from_levels(LEVELS, LEVELS, OTHER_GRID),
        ValueError,
        ["Predictions.from_levels", "`scores[0]` with 240 priors", "[3, 6, 16, 20]", "these maps' shapes"],
    ),
    "too few maps": (
        lambda: la.Predictions.from_levels(LEVELS[:2], LEVELS, PRIORS),
        ValueError,
        ["same number of levels", "`scores`: 2, priors: 3"],
    ),
    "devices mixed in a record": (
        lambda: raw(labels=LABELS.to("meta")),
        ValueError,
        ["GroundTruth", "one device", "'boxes': 'cpu'", "'labels': 'meta'", "`.to(device)`"],
    ),
    "devices mixed in a call": (
        lambda: la.PAA()(PRIORS, GT, P.to("meta")),
        ValueError,
        ["PAA", "one device", "'gt': 'cpu'", "'predictions': 'meta'"],
    ),
    "batches of other sizes": (
        lambda: la.PAA()(PRIORS, ground_truth((1, 2)), P),
        ValueError,
        ["PAA", "number of images", "gt: 2, predictions: 3"],
    ),
    "NaN ground truth in a call": (
        lambda: la.ATSS()(PRIORS, raw(boxes=BOXES.index_fill(0, torch.tensor([4]), torch.nan))),
        ValueError,
        ["ATSS", "finite boxes", "box [nan, nan, nan, nan]", "in image 2, row 1", 'on_bad_box="drop"'],
    ),
    "corners out of order in a call": (
        lambda: la.MaxIoU()(PRIORS, raw(boxes=BOXES[:, [2, 1, 0, 3]])),
        ValueError,
        ["MaxIoU", "x1 <= x2", "in image 0, row 0 (and 7 more)"],
    ),
    "a label too large for the scores": (
        lambda: la.PAA()(PRIORS, raw(labels=LABELS.index_fill(0, torch.tensor([3]), 6)), P),
        ValueError,
        ["PAA", "labels 0..5", "with label 6 in image 2, row 0"],
    ),
    "predictions are needed": (
        lambda: la.PAA()(PRIORS, GT),
        ValueError,
        ["PAA", "`predictions` (it needs predictions)", "predictions=None", "Pass `predictions=`"],
    ),
    "a teacher is needed": (lambda: la.LAD(la.PAA())(PRIORS, GT, P), ValueError, ["LAD", "`teacher`", "teacher=None"]),
    "a step is needed": (
        lambda: la.CoLAD(la.PAA(), la.Random())(PRIORS, GT, P, teacher=P),
        ValueError,
        ["CoLAD", "`step` (it needs predictions, step, teacher)", "step=None", "Pass `step=`"],
    ),
    "a teacher of another grid": (
        lambda: la.LAD(la.PAA())(PRIORS, GT, P, teacher=predictions(OTHER_GRID)),
        ValueError,
        ["LAD", "number of priors", "priors: 420, teacher: 315", "the same strides, anchors and padding"],
    ),
    "a teacher of other levels": (
        lambda: la.LAD(la.PAA())(PRIORS, GT, P, teacher=network((400, 15, 5))),
        ValueError,
        ["LAD", "level sizes", "priors: (320, 80, 20), teacher: (400, 15, 5)"],
    ),
    "a teacher of other classes": (
        lambda: la.CoLAD(la.PAA())(PRIORS, ground_truth(classes=2), P, teacher=network(classes=4)),
        ValueError,
        ["CoLAD", "number of classes", "predictions: 6, teacher: 4"],
    ),
    "arguments in the wrong order": (
        lambda: la.ATSS()(GT, PRIORS),
        TypeError,
        ["ATSS", "`priors` as Priors", "GroundTruth", "`Priors.grid`"],
    ),
    "a plain list of boxes": (lambda: la.ATSS()(PRIORS, [BOXES]), TypeError, ["`gt` as GroundTruth", "from_list"]),
    "both shapes and image size": (
        lambda: la.Priors.grid(shapes=[(2, 2)], image_size=(16, 16), strides=(8,)),
        ValueError,
        ["Priors", "either `shapes` or `image_size`", "Give one"],
    ),
    "an unknown op": (lambda: la.explain("iou"), ValueError, ["explain", "'match'", "'iou'"]),
    "topk of nothing": (lambda: la.PAA(topk=0), ValueError, ["PAA", "`topk` > 0", "got 0"]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_message_has_all_four_parts(name):
    call, error, parts = CASES[name]
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    missing = [part for part in parts if part not in message]
    assert not missing, message
    assert len(message) < 500, "nobody reads this"
    assert ": expected " in message
    assert ", got " in message


def test_a_forced_path_that_cannot_run_says_why(monkeypatch):
    monkeypatch.setenv("LABELASSIGN_PATH", "triton")
    message = r"max_iou: expected path 'triton' to run, got the tensors are on cpu.* Unset LABELASSIGN_PATH"
    with pytest.raises(RuntimeError, match=message):
        la.MaxIoU()(PRIORS, GT)
    monkeypatch.setenv("LABELASSIGN_PATH", "reference")
    assert la.explain("match").path == "reference"
    monkeypatch.setenv("LABELASSIGN_PATH", "fast")
    with pytest.raises(ValueError, match="LABELASSIGN_PATH: expected one of"):
        la.MaxIoU()(PRIORS, GT)
