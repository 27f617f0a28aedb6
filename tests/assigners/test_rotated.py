"""Rotated boxes through records and assigners: same answers under rotation, refusals, odd input."""

from dataclasses import replace

import pytest
import torch

import labelassign as la
from labelassign import BACKGROUND, IGNORE, Reason, geometry
from labelassign.ops import near
from tests.scenes import grid, ground_truth, predictions

SIDE = 128
TURN = torch.pi / 2


def square_priors():
    return la.Priors.grid(image_size=(SIDE, SIDE), strides=(8, 16), scale=4, offset=0.5)


def rotated_objects(seed=0, counts=(4, 3)):
    torch.manual_seed(seed)
    images = []
    for n in counts:
        boxes = torch.cat([torch.rand(n, 2) * SIDE, 8 + 60 * torch.rand(n, 2), 6 * torch.rand(n, 1) - 3], 1)
        images.append({"boxes": boxes, "labels": torch.randint(0, 6, (n,))})
    return la.GroundTruth.from_list(images)


def rotated_predictions(priors, gt, seed=0):
    torch.manual_seed(seed)
    size = (gt.num_images, priors.count)
    boxes = geometry.as_rotated(priors.boxes).expand(*size, 5) + torch.randn(*size, 5)
    return la.Predictions(boxes, torch.randn(*size, 6))


def upright_as_rotated(record):
    return replace(record, boxes=geometry.as_rotated(record.boxes))


ASSIGNERS = [
    la.MaxIoU(), la.MaxIoU(low_quality="off"), la.MaxIoU(low_quality="label_only"), la.MaxIoU(last_row_wins=True),
    la.MaxIoU.rpn(), la.MaxIoU(all_ties=False), la.ATSS(), la.ATSS.mmdet(), la.TaskAligned(), la.TaskAligned.tood(),
    la.TaskAligned.ultralytics_obb(),
]  # fmt: skip


@pytest.mark.parametrize("assigner", [*ASSIGNERS[:8], la.MaxIoU.ssd(), la.MaxIoU.mmdet_retinanet()], ids=repr)
def test_angle_0_is_upright(assigner):
    for seed in range(4):
        priors, gt = grid(), ground_truth((3, 2, 0), seed=seed)
        crowd = replace(gt, ignore=torch.arange(gt.num_rows) == 1)
        want, got = assigner(priors, crowd), assigner(upright_as_rotated(priors), upright_as_rotated(crowd))
        assert torch.equal(got.gt_index, want.gt_index)
        assert torch.equal(got.reason, want.reason)
        torch.testing.assert_close(got.quality, want.quality, rtol=0, atol=2e-7)
        other = assigner(priors, upright_as_rotated(crowd))
        assert torch.equal(other.gt_index, got.gt_index)


@pytest.mark.parametrize("overlap", ["iou", "prob_iou"])
def test_angle_0_is_upright_for_task_aligned(overlap):
    assigner, priors, gt = la.TaskAligned(overlap=overlap), grid(), ground_truth((3, 2))
    seen = predictions(priors, 2)
    want, got = assigner(priors, gt, seen), assigner(priors, upright_as_rotated(gt), upright_as_rotated(seen))
    assert torch.equal(got.gt_index, want.gt_index)
    torch.testing.assert_close(got.cls_target, want.cls_target)


def turned_by_90(boxes):
    x, y, *sides, angle = boxes.unbind(-1)
    return torch.stack([SIDE - y, x, *sides, angle + TURN], -1)


@pytest.mark.parametrize("assigner", [a for a in ASSIGNERS if getattr(a, "all_ties", True)], ids=repr)
@pytest.mark.parametrize("seed", range(3))
def test_turning_the_scene_by_90_degrees_permutes_the_answer(assigner, seed):
    priors, gt = square_priors(), rotated_objects(seed)
    seen = rotated_predictions(priors, gt, seed)
    # the prior that lies where each one is turned to
    goal = turned_by_90(geometry.as_rotated(priors.boxes))[:, :2]
    level = torch.repeat_interleave(torch.tensor(priors.level_sizes))
    apart = torch.cdist(geometry.centres(priors.boxes), goal) + 1e3 * (level[:, None] != level)
    source = apart.argmin(1)
    assert (apart.amin(1) == 0).all()
    moved = replace(seen, boxes=turned_by_90(seen.boxes)[:, source], scores=seen.scores[:, source])
    want = assigner(priors, gt, seen)
    got = assigner(priors, replace(gt, boxes=turned_by_90(gt.boxes)), moved)
    assert torch.equal(got.gt_index, want.gt_index[:, source])
    assert torch.equal(got.reason, want.reason)
    torch.testing.assert_close(got.quality, want.quality[:, source], atol=1e-5, rtol=1e-5)
    assert want.positive.any()


@pytest.mark.parametrize("assigner", ASSIGNERS, ids=repr)
def test_one_box_has_many_names(assigner):
    priors, gt = square_priors(), rotated_objects(3)
    seen = rotated_predictions(priors, gt)
    want = assigner(priors, gt, seen)
    exchanged = gt.boxes[:, [0, 1, 3, 2, 4]] + torch.tensor([0, 0, 0, 0, TURN])
    for other in (exchanged, gt.boxes - torch.tensor([0, 0, 0, 0, torch.pi])):
        assert torch.equal(assigner(priors, replace(gt, boxes=other), seen).gt_index, want.gt_index)


def test_a_turned_object_is_not_the_box_around_it():
    priors = square_priors()
    thin = la.GroundTruth.from_list([{"boxes": [[64, 64, 90, 10, torch.pi / 4]], "labels": [0]}])
    around = la.GroundTruth.from_list([{"boxes": [[28.6, 28.6, 99.4, 99.4]], "labels": [0]}])
    own, other = la.ATSS(topk=60)(priors, thin), la.ATSS(topk=60)(priors, around)
    spots = geometry.centres(priors.boxes)[own.positive[0]]
    assert len(spots) > 3
    assert ((spots[:, 0] - spots[:, 1]).abs() < 10 / 2**0.5 + 1e-3).all()
    assert other.positive.sum() > own.positive.sum()


@pytest.mark.parametrize("wrapper", [lambda a: la.LAD(a), lambda a: la.CoLAD(a, la.Fixed("teacher"))])
def test_distillation_takes_what_its_assigner_takes(wrapper):
    inner = la.TaskAligned.ultralytics_obb()
    priors, gt = square_priors(), rotated_objects()
    mine, theirs = rotated_predictions(priors, gt), rotated_predictions(priors, gt, 1)
    a = wrapper(inner)(priors, gt, mine, teacher=theirs)
    assert torch.equal(a.gt_index, inner(priors, gt, theirs).gt_index)
    assert not torch.equal(a.gt_index, inner(priors, gt, mine).gt_index)
    assert not wrapper(la.PAA()).takes_rotated


def test_ignored_regions_hide_by_the_exact_share():
    priors = square_priors()
    region = [64.0, 64, 80, 50, 0.6]
    gt = la.GroundTruth.from_list([{"boxes": [region], "labels": [0], "iscrowd": [1]}])
    share = geometry.covered(priors.boxes, torch.tensor(region))
    for least in (0.5, 0.9):
        hidden = la.MaxIoU(ignore_iof=least)(priors, gt).gt_index[0] == IGNORE
        assert torch.equal(hidden, share >= least)
        assert 3 < hidden.sum() < priors.count / 2
    points = la.Priors.points(image_size=(SIDE, SIDE), strides=(8, 16))
    within = geometry.inside_rotated(geometry.centres(points.boxes), torch.tensor(region))
    hidden = la.TaskAligned()(points, gt, rotated_predictions(points, gt)).gt_index[0] == IGNORE
    assert torch.equal(hidden, within)


def test_targets_are_the_five_numbers_and_overlap_is_theirs():
    priors, gt = square_priors(), rotated_objects()
    seen = rotated_predictions(priors, gt)
    a = la.TaskAligned()(priors, gt, seen)
    boxes = a.targets(gt, background=6).boxes
    assert torch.equal(boxes[a.positive], gt.boxes[a.gt_index[a.positive]])
    assert not boxes[~a.positive].any()
    found = a.overlap(seen.boxes, gt)
    assert torch.equal(found[a.positive], geometry.rotated_iou(seen.boxes[a.positive], boxes[a.positive]))
    assert not found[~a.positive].any()

    class Raw:
        rotated = True

        def encode(self, priors, boxes):
            assert boxes.shape[-1] == 5
            return boxes

    background = a.targets(gt, background=6, coder=Raw(), priors=priors).boxes
    assert torch.equal(background, boxes)


def test_without_area_and_off_the_image():
    priors = square_priors()
    boxes = [[64, 64, 0, 30, 1.0], [64, 64, 0, 0, 0.3], [900, 900, 40, 20, 2.0], [30, 30, 40, 20, 1e4]]
    gt = la.GroundTruth.from_list([{"boxes": boxes, "labels": [0, 1, 2, 3]}])
    for assigner in ASSIGNERS:
        a = assigner(priors, gt, rotated_predictions(priors, gt))
        assert a.quality.isfinite().all()
        assert a.cls_target.isfinite().all()
        if not isinstance(assigner, la.ATSS):  # which knows distance, not only overlap
            assert a.per_gt_count[3] > 0
        if not getattr(assigner, "zero_rescues", False) and not getattr(assigner, "floor", 0.0):
            assert not a.per_gt_count[:3].any()


def test_bad_rows_padding_and_predictions():
    priors, gt = square_priors(), rotated_objects()
    bad = gt.boxes.clone()
    bad[0, 2], bad[1, 4], bad[2, 0] = -1.0, float("nan"), float("inf")
    parts = [{"boxes": bad[:4], "labels": gt.labels[:4]}, {"boxes": bad[4:], "labels": gt.labels[4:]}]
    with pytest.raises(ValueError, match=r"w >= 0 and h >= 0.*image 0, row 0 \(and 2 more\)"):
        la.GroundTruth.from_list(parts)
    assert la.GroundTruth.from_list(parts, on_bad_box="drop").num_rows == 4
    hidden = la.GroundTruth.from_list(parts, on_bad_box="ignore").pad_to(9)
    seen = rotated_predictions(priors, gt)
    boxes = seen.boxes.clone()
    boxes[:, ::3, 4], boxes[:, 1::3, 2] = float("nan"), float("inf")
    hostile = replace(seen, boxes=boxes)
    for assigner in ASSIGNERS:
        with pytest.raises(ValueError, match="w >= 0 and h >= 0"):
            assigner(priors, replace(gt, boxes=bad), seen)
        a = assigner(priors, hidden, hostile)
        assert a.reason[:3].tolist() == [Reason.IGNORED] * 3
        assert a.reason[7:].tolist() == [Reason.PADDING] * 2
        assert not a.per_gt_count[[0, 1, 2, 7, 8]].any()
        if assigner.needs:
            assert boxes.isfinite().all(-1)[a.positive].all()


def test_no_objects_and_more_objects_than_priors():
    priors = square_priors()
    seen = rotated_predictions(priors, rotated_objects())
    few = la.Priors.from_boxes(geometry.as_rotated(priors.boxes[:3]), strides=priors.strides[:3])
    many = rotated_objects(counts=(20, 20))
    for assigner in ASSIGNERS:
        for width in (4, 5):
            none = la.GroundTruth.from_list([{"boxes": torch.zeros(0, width), "labels": []}] * 2)
            a = assigner(upright_as_rotated(priors), none, seen)
            assert (a.gt_index == BACKGROUND).all()
            assert not a.overlap(seen.boxes, none).any()
        assert (assigner(few, many, rotated_predictions(few, many)).per_gt_count <= 3).all()


def test_clipping_is_spared_for_boxes_that_do_not_come_near():
    priors, gt = square_priors(), rotated_objects()
    seen = []

    def counted(a, b):
        seen.append(a.shape[0])
        return geometry.rotated_iou(a, b)

    want = geometry.pairwise_iou(gt.boxes, priors.boxes)
    for boxes in (priors.boxes, priors.boxes.expand(gt.num_rows, -1, -1)):
        assert torch.equal(near.among_near(counted, boxes, gt.boxes), want)
    assert (want > 0).sum() <= seen[0] < 0.5 * want.numel()
