"""Whatever an answer depends on is in the key of its entry: changed annotations are a miss, never a wrong answer."""

import hashlib
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import labelassign as la
from tests.caching.kept import LAD, Counted, lad, never, same, scene
from tests.scenes import ground_truth, predictions

PRIORS, GT, TEACHER = scene((3, 2))
PRIORS = PRIORS.with_image_sizes([(128, 160), (120, 100)])
SIZES = torch.tensor([[128.0, 160.0], [120.0, 100.0]])
GT = replace(GT, image_sizes=SIZES)
NAMES = ["a", 7]


def changed(tensor, place, value):
    tensor = tensor.clone()
    tensor[place] = value
    return tensor


def network(**options):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3, **options), nn.BatchNorm1d(3))


BOX = GT.boxes[0, 2].item()
CHANGES = {
    "a box, by its last bit": {"gt": replace(GT, boxes=changed(GT.boxes, (0, 2), BOX * (1 + 2**-23)))},
    "a label": {"gt": replace(GT, labels=changed(GT.labels, 0, 5 - GT.labels[0]))},
    "an ignore flag": {"gt": replace(GT, ignore=changed(GT.ignore, 0, True))},
    "an image's size": {"gt": replace(GT, image_sizes=changed(SIZES, (0, 0), 127.0))},
    "sizes unknown": {"gt": replace(GT, image_sizes=None)},
    "rows": {"gt": replace(GT, offsets=torch.tensor([0, 2, 5]))},
    "rows of one image": {"gt": replace(GT, offsets=torch.tensor([0, 3, 3]))},
    "a prior": {"priors": replace(PRIORS, boxes=changed(PRIORS.boxes, (5, 0), -1.0))},
    "a stride": {"priors": replace(PRIORS, strides=changed(PRIORS.strides, 5, 9.0))},
    "no strides": {"priors": replace(PRIORS, strides=None)},
    "levels": {"priors": replace(PRIORS, level_sizes=(320, 100))},
    "anchors per cell": {"priors": replace(PRIORS, per_cell=2)},
    "kind": {"priors": replace(PRIORS, kind="points")},
    "validity": {"priors": replace(PRIORS, valid=changed(PRIORS.valid, (0, 3), False))},
    "validity unknown": {"priors": replace(PRIORS, valid=None)},
    "own priors": {"priors": replace(PRIORS, boxes=PRIORS.boxes.repeat(2, 1, 1))},
    "name": {"images": ["b", 7]},
    "a number as text": {"images": ["a", "7"]},
    "a longer name": {"images": ["a/flip", 7]},
    "another network": {"teacher": network().requires_grad_(False).append(nn.Linear(1, 1))},
    "no bias": {"teacher": network(bias=False)},
    "precision": {"teacher": network().double()},
    "an option": {"assigner": la.LAD(la.PAA(topk=8))},
    "an option within": {"assigner": la.LAD(la.PAA(mixture=la.Mixture(tol=0.002)))},
    "assigner": {"assigner": la.PAA()},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_a_miss(change, tmp_path):
    usual = {"images": NAMES, "priors": PRIORS, "gt": GT, "teacher": network(), "assigner": LAD}

    def call(made, **options):
        given = usual | options
        cache = la.AssignmentCache(tmp_path, given["assigner"], given["teacher"])
        answer = given["assigner"](given["priors"], given["gt"], TEACHER, teacher=TEACHER)
        compute = Counted(lambda: answer)
        same(cache(given["images"], given["priors"], given["gt"], compute), answer)
        assert compute.times == made

    for options in ({}, CHANGES[change]):
        call(1, **options)
        call(0, **options)
    call(0)


def test_what_changes_nothing_is_no_miss(tmp_path):
    cache = la.AssignmentCache(tmp_path, LAD, network())
    cache(NAMES, PRIORS, GT, lad(PRIORS, GT, TEACHER))
    other = la.AssignmentCache(tmp_path, la.LAD(la.PAA(topk=9)), network().eval().requires_grad_(False))
    padded = GT.pad_to(8)
    fresh = replace(PRIORS, boxes=PRIORS.boxes.clone())
    same(other(tuple(NAMES), fresh, padded, never), lad(PRIORS, padded, TEACHER)())


def test_priors_changed_in_place_are_noticed(tmp_path):
    cache = la.AssignmentCache(tmp_path, LAD, "teacher")
    with torch.inference_mode():
        unversioned = PRIORS.boxes * 1
    for boxes in (PRIORS.boxes.clone(), unversioned):
        priors = replace(PRIORS, boxes=boxes)
        for shift in (0.0, 8.0):
            with torch.inference_mode(boxes is unversioned):
                priors.boxes.add_(shift)
            want = lad(priors, GT, TEACHER)()
            same(cache(NAMES, priors, GT, lambda want=want: want), want)
    assert cache.stats["misses"] == cache.stats["hits"] == 4


def test_only_the_image_that_changed_is_a_miss(tmp_path):
    cache = la.AssignmentCache(tmp_path, LAD, "teacher")
    own = replace(PRIORS, boxes=PRIORS.boxes.repeat(2, 1, 1))
    for priors in (PRIORS, own):
        cache(NAMES, priors, GT, lad(priors, GT, TEACHER))
    before = cache.stats
    gt = replace(GT, boxes=changed(GT.boxes, (4, 3), GT.boxes[4, 3] + 1))
    valid = replace(PRIORS, valid=changed(PRIORS.valid, (1, 3), False))
    moved = replace(own, boxes=changed(own.boxes, (1, 5, 0), -1.0))
    for priors, objects in ((PRIORS, gt), (valid, GT), (moved, GT)):
        want = lad(priors, objects, TEACHER)()
        same(cache(NAMES, priors, objects, lambda want=want: want), want)
    assert [cache.stats[name] - before[name] for name in ("misses", "hits")] == [3, 3]


def test_equal_bytes_of_another_kind_are_a_miss(tmp_path):
    cache, priors = la.AssignmentCache(tmp_path, LAD, "teacher"), la.Priors.grid(image_size=(128, 128), strides=(16,))
    gt, teacher = ground_truth((2,)), predictions(priors, 1)
    valid = torch.arange(64)[None] % 5 > 0
    size = torch.from_numpy(np.packbits(valid.numpy(), axis=1).view(np.float32))
    for kind in ((replace(priors, valid=valid), gt), (priors, replace(gt, image_sizes=size))):
        want = lad(*kind, teacher)()
        same(cache(["a"], *kind, lambda want=want: want), want)
    assert cache.stats["misses"] == 2


def test_another_version_of_the_package_begins_anew(tmp_path, monkeypatch):
    la.AssignmentCache(tmp_path, LAD, "teacher")(NAMES, PRIORS, GT, lad(PRIORS, GT, TEACHER))
    monkeypatch.setattr(sys.modules["labelassign"], "__version__", "0.0.1")
    cache = la.AssignmentCache(tmp_path, LAD, "teacher")
    cache(NAMES, PRIORS, GT, lad(PRIORS, GT, TEACHER))
    assert cache.stats["misses"] == 2


def test_the_fingerprint_is_over_names_kinds_shapes_and_values(tmp_path):
    module = nn.Module()
    module.register_buffer("high", torch.tensor([[1.0], [2.0]], dtype=torch.bfloat16))
    module.register_buffer("count", torch.tensor(3))
    text = b"count\0torch.int64\0[]\0" + (3).to_bytes(8, sys.byteorder)
    text += b"high\0torch.bfloat16\0[2, 1]\0" + bytes.fromhex("803f0040")
    found = la.AssignmentCache(tmp_path, LAD, module).teacher
    assert found == hashlib.sha256(text).hexdigest()
    assert la.AssignmentCache(tmp_path, LAD, found).teacher == found
    module.high[1, 0] = 2.015625
    assert la.AssignmentCache(tmp_path, LAD, module).teacher != found
