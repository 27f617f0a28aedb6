"""Each law is broken once, by an assigner made for it, and sees it."""

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace

import hypothesis
import pytest
import torch

import labelassign as la
from labelassign.ops import blocks
from labelassign.ops.complete import cover
from labelassign.ops.dispatch import OPS
from labelassign.testing import LAWS, LawBroken, Subject, scenes
from tests.laws.definitions import max_iou_condition

pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")


@functools.cache
def drawn():
    """The same scenes in every run."""
    found = []

    @hypothesis.settings(max_examples=400, derandomize=True, database=None, phases=[hypothesis.Phase.generate])
    @hypothesis.given(scenes())
    def collect(scene):
        found.append(scene)

    collect()
    return found


@dataclass(frozen=True)
class Broken(la.Assigner):
    """ATSS, with something done to its answer before the base completes it."""

    harm: Callable
    needs = frozenset()
    ignore_iof = 0.5

    def _assign(self, priors, gt, predictions, teacher, step):
        draft = la.ATSS()._assign(priors, gt, predictions, teacher, step)
        return replace(draft, **self.harm(draft, priors, gt, predictions))


def dim(share):
    """Qualities, which stay in 0..1, times something that the answer must not depend on."""

    def harm(draft, *call):
        return {"quality": (draft.quality + 0.1) * torch.as_tensor(share(*call)).float() / 1000}

    return Broken(harm)


calls = iter(range(10**9))
place = torch.arange(10_000)
HARMS = {
    "well_formed": Broken(lambda d, p, gt, net: {"gt_index": d.gt_index.clamp(min=-1, max=0)}),
    "empty_image": Broken(lambda d, p, gt, net: {} if gt.in_use.any() else {"gt_index": d.gt_index - 1}),
    "purity": dim(lambda p, gt, net: next(calls) % 7),
    "constructors": dim(lambda p, gt, net: gt.num_rows),
    "finiteness": Broken(lambda d, p, gt, net: {"quality": net.scores.float().amax(-1).sigmoid()}),
    "true_reason": Broken(lambda d, p, gt, net: {"reason": torch.full_like(d.reason, la.Reason.LOST)}),
    "bounded_memory": dim(lambda p, gt, net: blocks.PAIRS_PER_BLOCK % 1000),
    "without_looking": dim(lambda p, gt, net: len(cover.selected(gt.ignore | gt.in_use))),
    "image_by_image": dim(lambda p, gt, net: gt.num_images),
    "permuted_objects": dim(lambda p, gt, net: (gt.boxes[0, 0] - gt.boxes[-1, 0]).abs()),
    "permuted_priors": dim(lambda p, gt, net: place[: p.count]),
    "translation": dim(lambda p, gt, net: p.boxes[..., 0].abs().clamp(max=999)),
    "scaling": dim(lambda p, gt, net: (gt.boxes[0, 2] - gt.boxes[0, 0]).clamp(max=999)),
    "far_object": dim(lambda p, gt, net: gt.in_use.sum()),
    "ignored_region": dim(lambda p, gt, net: gt.ignore.sum()),
}


class Half(Broken):
    needs = frozenset({"predictions"})


class Deaf(la.LAD):
    """Asks the student instead of the teacher."""

    needs = frozenset({"predictions", "teacher"})

    def _assign(self, priors, gt, predictions, teacher, step):
        return super()._assign(priors, gt, predictions, predictions, step)


class Hard(la.LAD):
    """Gives nobody anything."""

    def _assign(self, priors, gt, predictions, teacher, step):
        draft = super()._assign(priors, gt, predictions, teacher, step)
        return replace(draft, gt_index=draft.gt_index.clamp(max=-1))


class Loose(la.CoLAD):
    """Says that it decides for the whole batch, and tosses a coin for every object."""

    def _units(self, gt, candidates, step):
        return la.CoLAD(self.assigner, self.criterion, "gt")._units(gt, candidates, step)


FLOAT = Half(lambda d, p, gt, net: {"quality": (net.scores[..., 0] / 3).sigmoid().float()})
SUBJECTS = {name: Subject(assigner) for name, assigner in HARMS.items()} | {
    "half_precision": Subject(FLOAT),
    "own_condition": Subject(la.MaxIoU(0.1, 0.1), condition=functools.partial(max_iou_condition, la.MaxIoU())),
    "own_teacher": Subject(Hard(la.PAA())),
    "teacher_decides": Subject(Deaf(la.PAA())),
    "whole_units": Subject(Loose(la.PAA(), la.Random())),
    "one_of_two": Subject(Loose(la.PAA(), la.Random())),
    "paths": Subject(la.MaxIoU()),
}


@pytest.fixture
def a_wrong_path(monkeypatch):
    """A fast path of the op `max_iou` that forgets one overlap."""

    def wrong(*args):
        index, iou, *rest = OPS["max_iou"].reference(*args)
        return index, iou * (torch.arange(iou.shape[1]) > 0), *rest

    other = replace(OPS["max_iou"], fast={"native": (wrong, lambda *args: None)})
    monkeypatch.setitem(OPS, "max_iou", other)


@pytest.mark.usefixtures("a_wrong_path")
@pytest.mark.parametrize("name", LAWS)
def test_the_law_sees_it(name):
    def hold():
        for scene in drawn():
            LAWS[name].check(SUBJECTS[name], scene)

    with pytest.raises(LawBroken, match=f"breaks the law '{name}'"):
        _before_the_law(name)


def _before_the_law(name):
    for scene in drawn():
        LAWS[name].check(SUBJECTS[name], scene)
