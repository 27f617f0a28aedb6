"""Where rotated boxes are refused, every message says who, what was expected, what came and what to do."""

import re
from dataclasses import replace

import pytest
import torch

import labelassign as la
from labelassign.ops import accelerator
from tests.scenes import grid, ground_truth, predictions

PRIORS, GT = grid(), ground_truth((3, 2))
SEEN = predictions(PRIORS, 2)


def turned(record):
    return replace(record, boxes=la.geometry.as_rotated(record.boxes))


REFUSING = [
    la.PAA(), la.PAA.mmdet(), la.FCOS(), la.Uniform(), la.SimOTA(), la.DynamicSoftLabel(), la.LAD(la.PAA()),
    la.CoLAD(la.SimOTA(), la.StdMean(), "gt"),
]  # fmt: skip


@pytest.mark.parametrize("assigner", REFUSING, ids=lambda a: type(a).__name__)
def test_methods_without_rotated_boxes_say_who_has_them(assigner):
    assert not assigner.takes_rotated
    with pytest.raises(ValueError, match="expected upright boxes") as caught:
        assigner(PRIORS, turned(GT), turned(SEEN), teacher=turned(SEEN), step=0)
    message = str(caught.value)
    assert message.startswith(f"{type(assigner).__name__}: ")
    assert "'gt': 'rotated (xywhr)'" in message
    for name in ("MaxIoU", "ATSS", "TaskAligned"):
        assert name in message
        assert getattr(la, name)().takes_rotated
    empty = la.GroundTruth(torch.zeros(0, 4), GT.labels[:0], GT.offsets * 0, GT.ignore[:0])
    with pytest.raises(ValueError, match="expected upright boxes"):
        assigner(turned(PRIORS), empty, turned(SEEN), teacher=turned(SEEN), step=0)


@pytest.mark.parametrize(
    ("priors", "gt", "seen"),
    [(turned(PRIORS), GT, SEEN), (PRIORS, turned(GT), SEEN), (PRIORS, GT, turned(SEEN))],
    ids=["priors", "objects", "predictions"],
)
def test_two_kinds_of_boxes_are_named(priors, gt, seen):
    with pytest.raises(ValueError, match="TaskAligned: expected boxes of one kind") as caught:
        la.TaskAligned()(priors, gt, seen)
    for name, record in (("priors", priors), ("gt", gt), ("predictions", seen)):
        kind = "rotated (xywhr)" if record.boxes.shape[-1] == 5 else "upright (xyxy)"
        assert f"'{name}': '{kind}'" in str(caught.value)
    assert "angle 0" in str(caught.value)


@pytest.mark.parametrize("overlap", ["giou", "ciou"])
def test_overlaps_of_upright_boxes_alone(overlap):
    with pytest.raises(ValueError, match=re.escape("one of ('iou', 'prob_iou'), got '" + overlap)):
        la.TaskAligned(overlap=overlap)(PRIORS, turned(GT), turned(SEEN))


def test_records_and_results():
    images = [{"boxes": [[1, 2, 3, 4]], "labels": [0]}, {"boxes": [[1, 2, 3, 4, 0.5]], "labels": [0]}]
    with pytest.raises(ValueError, match=r"same kind of boxes.*image 0: 4, image 1: 5"):
        la.GroundTruth.from_list(images)
    with pytest.raises(ValueError, match=re.escape("`boxes` [n, 4]")):
        la.GroundTruth.from_list([{"boxes": [[1, 2, 3, 4, 5, 6]], "labels": [0]}])
    a = la.MaxIoU()(PRIORS, turned(GT))
    with pytest.raises(ValueError, match="a coder of rotated boxes for rotated objects, got DeltaCoder"):
        a.targets(turned(GT), background=6, coder=la.DeltaCoder(), priors=PRIORS)
    with pytest.raises(ValueError, match="'boxes': 'upright', 'gt': 'rotated'"):
        a.overlap(SEEN.boxes, turned(GT))


def test_fast_paths_say_that_they_read_upright_boxes_alone():
    for op in ("max_iou", "match", "atss", "candidates"):
        for priors, gt in ((PRIORS, turned(GT)), (turned(PRIORS), GT)):
            why = la.explain(op, priors.boxes, None, gt.boxes).refusals["native"]
            assert why == "rotated boxes are read by the reference alone"
    index, rows = torch.zeros(2, PRIORS.count, dtype=torch.int64), turned(GT)
    objects = (rows.boxes, rows.labels, rows.offsets, rows.ignore)
    given = (index, GT.labels.to(torch.int8), None, PRIORS.boxes, None, *objects)
    assert la.explain("complete", *given).refusals["native"] == "rotated boxes are read by the reference alone"
    # what every Triton path asks, on a machine without a device, too
    upright = (GT.boxes, *objects[1:])
    assert accelerator.refused_boxes(PRIORS.boxes, None, *upright) is None
    for boxes, those in ((PRIORS.boxes, objects), (turned(PRIORS).boxes, upright)):
        assert accelerator.refused_boxes(boxes, None, *those) == "rotated boxes are read by the reference alone"


def test_records_keep_the_five_numbers(tmp_path):
    gt = la.GroundTruth.from_list([{"boxes": [[5, 6, 7, 8, 0.5]], "labels": [1]}, {"boxes": [], "labels": []}])
    assert gt.boxes.shape == (1, 5)
    padded = la.GroundTruth.from_padded(torch.rand(2, 3, 5), torch.zeros(2, 3), [3, 1])
    assert padded.boxes.shape == (4, 5)
    assert padded.pad_to(6).boxes.shape == (6, 5)
    for record in (padded, turned(PRIORS), turned(SEEN)):
        record.save(tmp_path / "record")
        assert torch.equal(type(record).load(tmp_path / "record").boxes, record.boxes)
    again = la.GroundTruth.from_list(padded.to_list())
    assert torch.equal(again.boxes, padded.boxes)
    assert la.Priors.from_boxes(torch.rand(9, 5)).count == 9
    inside = turned(PRIORS).with_image_sizes([[100, 90]])
    assert torch.equal(inside.valid, PRIORS.with_image_sizes([[100, 90]]).valid)
    maps = [torch.rand(2, 5, 3, 4)]
    points = la.Priors.points([(3, 4)], strides=(8,))
    assert la.Predictions.from_levels([torch.rand(2, 6, 3, 4)], maps, points).boxes.shape == (2, 12, 5)
