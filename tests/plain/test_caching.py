"""The cache and the mirror refuse what they cannot do right, and a mirror waits for no device."""

import builtins
import dataclasses
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

import labelassign as la
from tests.caching.kept import LAD, NAMES, lad, scene
from tests.plain.sync_guard import SyncGuard

PRIORS, GT, TEACHER = scene((3, 2))
EVEN = la.Priors.grid(image_size=(128, 160), strides=(8, 16, 32), scale=4, offset=0.5)
A = LAD(PRIORS, GT, teacher=TEACHER)
BOTH = torch.tensor([True, True])


class Loose(la.Assigner):
    ignore_iof = None

    def _assign(self, priors, gt, predictions, teacher, step):
        raise AssertionError


@dataclasses.dataclass(frozen=True)
class Holder(Loose):
    value: object = None


@dataclasses.dataclass
class Changing:
    topk: int = 9


class Stateful(nn.Linear):
    def get_extra_state(self):
        return {"seen": 3}

    def set_extra_state(self, state):
        raise AssertionError


def making(folder, assigner=LAD, teacher="teacher", **options):
    return lambda: la.AssignmentCache(folder, assigner, teacher, **options)


def calling(folder, images=("a", "b"), priors=PRIORS, gt=GT, answer=A):
    return lambda: la.AssignmentCache(folder, LAD, "teacher")(images, priors, gt, lambda: answer)


SHAPE = replace(A, gt_index=A.gt_index[:, 1:])
MAKING = {
    "CoLAD": ({"assigner": la.CoLAD(la.PAA())}, ["one frozen network decides", "CoLAD(", "asks the teacher only"]),
    "CoLAD within": ({"assigner": la.Rescue(la.CoLAD(la.PAA()))}, ["one frozen network", "Rescue(assigner=CoLAD("]),
    "the student's targets": ({"assigner": la.LAD(la.TaskAligned(), "student")}, ["one frozen", "targets='student'"]),
    "step": ({"assigner": la.Warmup(la.ATSS(), LAD, 5)}, ["no `step`", "Warmup(", "choose by the step outside"]),
    "no assigner": ({"assigner": la.FreeAnchor()}, ["expected an Assigner", "FreeAnchor(", "weights of pairs"]),
    "an assigner's class": ({"assigner": la.PAA}, ["expected an Assigner", "PAA"]),
    "options unknown": ({"assigner": Loose()}, ["options can be told apart", "Loose", "frozen dataclass"]),
    "an option unknown": ({"assigner": Holder(torch.zeros(3))}, ["options can be told apart", "float32 tensor [3]"]),
    "an option changing": ({"assigner": Holder(Changing())}, ["options can be told apart", "Changing(topk=9)"]),
    "an option loose": ({"assigner": Holder((1, [2]))}, ["options can be told apart", "list [2]"]),
    "teacher": ({"teacher": 3}, ["`teacher` as an nn.Module or str", "int 3", "any string"]),
    "teacher unnamed": ({"teacher": ""}, ["`teacher`", "got ''"]),
    "teacher's state": ({"teacher": Stateful(1, 1)}, ["state_dict", "'_extra_state': {'seen': 3}", "of your own"]),
    "size": ({"size": 4096}, ["`size`", "65536 or more", "got 4096"]),
    "size is no number": ({"size": 1e9}, ["`size`", "got 1000000000.0"]),
}
CALLING = {
    "a single name": ({"images": "ab"}, ["`images` as a list", "str 'ab'", "one name per image"]),
    "names of tensors": ({"images": torch.tensor([1, 2])}, ["`images` as a list", "int64 tensor [2]"]),
    "no name": ({"images": ["a", None]}, ["name of an image", "NoneType None", "'cat.jpg/crop3'"]),
    "a flag as name": ({"images": ["a", True]}, ["name of an image", "bool True"]),
    "number of names": ({"images": ["a"]}, ["number of images", "images: 1, gt: 2"]),
    "valid of others": ({"priors": PRIORS.with_image_sizes([(9, 9)])}, ["images: 2, gt: 2, priors.valid: 1"]),
    "priors": ({"priors": None}, ["`priors` as Priors", "NoneType None"]),
    "gt": ({"gt": None}, ["`gt` as GroundTruth", "NoneType None"]),
    "no assignment": ({"answer": None}, ["`compute`", "an Assignment", "NoneType None"]),
    "other priors": ({"answer": SHAPE}, ["`compute`", "`gt_index` [2, 420] (int64)", "[2, 419]"]),
    "other precision": ({"answer": replace(A, quality=A.quality.double())}, ["`quality`", "(float32)", "float64"]),
    "other rows": ({"answer": replace(A, reason=A.reason[1:])}, ["`reason` [5] (int8)", "[4]"]),
    "other images": ({"answer": replace(A, offsets=torch.tensor([0, 2, 5]))}, ["offsets [0, 3, 5]", "got [0, 2, 5]"]),
    "rows of others": ({"answer": replace(A, gt_index=A.gt_index.flip(0))}, ["own image", "rows of another one"]),
    "an unknown code": ({"answer": replace(A, gt_index=A.gt_index - 2)}, ["own image"]),
}
ODD = la.Priors.grid(image_size=(128, 160), strides=(8, 16), scale=4, ratios=(0.5,), offset=0.5)
SOME = EVEN.with_image_sizes([(128, 100)])
AWAY = ["no prior at [144.0, -16.0, 176.0, 16.0]", "(28 of 420 such)"]
MIRRORS = {
    "offset 0": (lambda: la.Mirror(PRIORS, 160), ["Mirror", "one of its level", "x -> 160 - x", *AWAY, "offset=0.5"]),
    "another width": (lambda: la.Mirror(EVEN, 152), ["x -> 152 - x", "whole number of cells"]),
    "inexact sides": (lambda: la.Mirror(ODD, 160), ["x -> 160 - x"]),
    "levels": (lambda: la.Mirror(replace(EVEN, level_sizes=(10, 410)), 160), ["one of its level"]),
    "strides": (
        lambda: la.Mirror(replace(EVEN, strides=torch.arange(420.0) // 2), 160),
        ["no prior at [140.0, -12.0, 172.0, 20.0]", "400 of 420"],
    ),
    "NaN": (lambda: la.Mirror(replace(EVEN, boxes=EVEN.boxes * float("nan")), 160), ["no prior at [nan", "420 of 420"]),
    "padded": (lambda: la.Mirror(SOME, 160), ["valid where their mirror images are", "before they are padded"]),
    "proposals": (lambda: la.Mirror(replace(EVEN, boxes=EVEN.boxes[None]), 160), ["shared by the batch"]),
    "queries": (lambda: la.Mirror(la.Priors.queries(3), 160), ["anchors or points", "Priors("]),
    "no width": (lambda: la.Mirror(EVEN, 0), ["`width` > 0", "got 0"]),
    "other priors": (lambda: la.Mirror(EVEN, 160)(SHAPE, BOTH), ["priors: 420, assignment: 419"]),
    "other batch": (lambda: la.Mirror(EVEN, 160)(A, BOTH[:1]), ["`which` [2] (bool)", "[1]"]),
    "numbers": (lambda: la.Mirror(EVEN, 160)(A, BOTH.long()), ["`which` [2] (bool)", "int64"]),
}


def refused(call, parts):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    assert all(part in str(caught.value) for part in parts), str(caught.value)


@pytest.mark.parametrize("case", MAKING)
def test_a_cache_is_refused(case, tmp_path):
    options, parts = MAKING[case]
    refused(making(tmp_path, **options), ["AssignmentCache: expected", *parts])


@pytest.mark.parametrize("case", CALLING)
def test_a_call_is_refused(case, tmp_path):
    options, parts = CALLING[case]
    refused(calling(tmp_path, **options), ["AssignmentCache", *parts])
    assert la.AssignmentCache(tmp_path, LAD, "teacher").stats["bytes"] <= 3 * 4096  # nothing was written


@pytest.mark.parametrize("case", MIRRORS)
def test_a_mirror_is_refused(case):
    refused(*MIRRORS[case])


def test_a_place_that_is_no_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "data.mdb").write_bytes(b"something else" * 1000)
    for name in ("file", "foreign"):
        with pytest.raises(OSError, match=rf"AssignmentCache: expected a new folder or .*{name} \(.*Choose another"):
            calling(tmp_path / name)()


def test_without_lmdb_it_says_what_to_install(tmp_path, monkeypatch):
    real = builtins.__import__

    def missing(name, *rest):
        if name == "lmdb":
            raise ImportError("No module named 'lmdb'")
        return real(name, *rest)

    monkeypatch.delitem(sys.modules, "lmdb", raising=False)
    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(ImportError, match=r"pip install 'labelassign\[cache\]'"):
        making(tmp_path)()


def test_a_mirror_waits_for_no_device_and_is_traced_whole():
    mirror, a = la.Mirror(EVEN, 160), LAD(EVEN, GT, teacher=TEACHER)
    traced = torch.compile(mirror, fullgraph=True, backend="eager")
    assert torch.equal(traced(a, BOTH).gt_index, mirror(a, BOTH).gt_index)
    like = {name: getattr(a, name) for name in NAMES}
    with FakeTensorMode():
        fields = {name: torch.zeros(t.shape, dtype=t.dtype, device="cuda") for name, t in like.items()}
        mirror.order = torch.zeros(420, dtype=torch.int64, device="cuda")
        with SyncGuard():
            got = mirror(la.Assignment(**fields, diagnostics={}), torch.zeros(2, dtype=torch.bool, device="cuda"))
        assert got.quality.device.type == "cuda"


def test_a_compiled_step_may_ask_the_cache(tmp_path):
    cache = la.AssignmentCache(tmp_path, LAD, "teacher")

    @torch.compile(backend="eager")
    def step(scale):
        return cache(["a", "b"], PRIORS, GT, lad(PRIORS, GT, TEACHER)).loc_weight.sum() * scale

    for scale in (1.0, 2.0):
        assert step(torch.tensor(scale)) == A.loc_weight.sum() * scale
