"""No exemption is idle: for each there is a scene on which the assigner breaks the law."""

from dataclasses import replace

import pytest
import torch

import labelassign as la
from labelassign.testing import LAWS, LawBroken, Scene, Subject, invent
from labelassign.testing.changes import with_objects
from tests.laws.subjects import SUBJECTS

GRID = la.Priors.grid(image_size=(128, 160), strides=(32, 64), scale=2)
ROW = la.Priors.from_boxes([[x, 0, x + 16, 16] for x in range(0, 160, 32)], strides=[16] * 5)
LOW = la.Priors.from_boxes([[x, 96, x + 32, 128] for x in range(0, 140, 28)], strides=[32] * 5)
PAIR = la.Priors.from_boxes(
    [[0, 0, 32, 32], [4, 0, 36, 32], [8, 0, 40, 32], [-24, 0, 8, 32], [32, 0, 64, 32]], strides=[32] * 5
)


def scene(priors, *images, step=0):
    gt = la.GroundTruth.from_list([{"boxes": boxes, "labels": [0, 1, 2, 1][: len(boxes)]} for boxes in images])
    networks = (invent(priors, len(images), 3, seed) for seed in (2 * step, 2 * step + 1))
    return Scene(priors, gt, *networks, step)


def ignoring(here):
    """The same with four ignored regions at the end of the first image."""
    boxes = torch.tensor([[100.0, 0, 110, 12]]).expand(4, 4)
    gt, _ = with_objects(here.gt, 0, boxes, torch.zeros(4), ignore=True)
    return replace(here, gt=gt)


CROWD = [[8.0, 8, 72, 72], [40.0, 16, 104, 96], [90.0, 60, 150, 120]]
TINY = [[40.0, 40, 44, 44], [38.0, 42, 43, 46], [41.0, 38, 44, 43], [39.0, 39, 43, 42]]
SCENES = {
    "one object, one between the priors": [scene(ROW, [[0.0, 0, 12, 16], [20.0, 2, 24, 6]], step=i) for i in range(4)],
    "one object between the priors": [scene(GRID, [[40.0, 40, 44, 44]])],
    "one object that hardly touches the next prior": [scene(LOW, [[0.0, 96, 31, 128]], step=i) for i in range(4)],
    "two objects with one best prior": [scene(PAIR, [[5.0, 0, 35, 30], [3.0, 2, 38, 33]], step=i) for i in range(12)],
    "two objects of nearly one area": [scene(GRID, [[52.0, 52, 76, 76], [52, 52, 76, 76]], step=i) for i in range(12)],
    "tiny objects between the priors": [scene(GRID, TINY, step=i) for i in range(6)],
    "one object among ignored ones": [ignoring(scene(ROW, [[0.0, 0, 16, 16]], [])), ignoring(scene(ROW, TINY[:1]))],
    "an object of many images' size": [scene(GRID, [[-300.0, -300, 400, 400], CROWD[0]], step=i) for i in range(4)],
    "one prior and no object": [scene(la.Priors.from_boxes([[0, 0, 16, 16]], strides=[16]), [])],
    "two objects and one prior": [scene(la.Priors.from_boxes([[0, 0, 16, 16]], strides=[16]), CROWD[:2])],
    "two crowded images": [scene(GRID, CROWD[:1], CROWD[1:], step=i) for i in range(12)],
}
EXEMPTIONS = [(subject, law) for subject in SUBJECTS for law in subject.exempt]


def breaks(subject, law, where):
    accused = replace(subject, exempt={name: reason for name, reason in subject.exempt.items() if name != law})
    try:
        LAWS[law].check(accused, where)
    except LawBroken:
        return True
    return False


@pytest.mark.parametrize(("subject", "law"), EXEMPTIONS, ids=str)
def test_a_scene_shows_why(subject, law):
    assert any(breaks(subject, law, where) for scenes in SCENES.values() for where in scenes)


def test_an_assigner_without_exemptions_breaks_nothing_here():
    plain = Subject(la.MaxIoU(), exempt={"own_condition": "not given"})
    everywhere = [where for scenes in SCENES.values() for where in scenes]
    assert not any(breaks(plain, law, where) for law in ("far_object", "permuted_objects") for where in everywhere)
