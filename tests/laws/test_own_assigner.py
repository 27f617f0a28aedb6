"""How somebody tests an assigner that is not part of this package."""

from dataclasses import dataclass, replace

import pytest
import torch

import labelassign as la
from labelassign.testing import LAWS, LawBroken, Scene, Subject, check, invent

pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")

GRID = la.Priors.grid(image_size=(128, 160), strides=(32,), scale=1)
OBJECTS = la.GroundTruth.from_list([{"boxes": [[0, 0, 160, 128], [20, 20, 100, 100]], "labels": [0, 1]}])
NESTED = Scene(GRID, OBJECTS, invent(GRID, 1, 3, seed=0), invent(GRID, 1, 3, seed=1))


@dataclass(frozen=True)
class Inside(la.Assigner):
    """A prior learns the smallest object that its centre lies in, the lower row on ties."""

    ignore_iof: float | None = 0.5
    smallest: bool = True

    def _assign(self, priors, gt, predictions, teacher, step):
        image = gt.image_of
        centre = la.geometry.centres(priors.boxes if priors.boxes.dim() == 3 else priors.boxes[None])
        centre = centre.expand(gt.num_images, -1, 2)[image]
        usable = gt.in_use & ~gt.ignore & gt.well_formed()
        inside = la.geometry.inside(centre, gt.boxes[:, None]) & usable[:, None]
        if priors.valid is not None:
            inside = inside & priors.valid[image]
        size = torch.where(inside, la.geometry.area(gt.boxes)[:, None], torch.inf)
        size = torch.where(inside & ~torch.tensor(self.smallest), 0.0, size)
        wins = inside[None] & (image[:, None] == torch.arange(gt.num_images)[:, None, None])
        best, row = torch.where(wins, size, torch.inf).min(1)
        index = torch.where(best < torch.inf, row, la.BACKGROUND)
        reason = torch.where(inside.any(1), la.Reason.FINE, la.Reason.NO_CANDIDATE)
        return la.Draft(index, (index >= 0).float(), reason)


def in_its_object(scene, answer):
    for image, prior in answer.positive.nonzero().tolist():
        boxes = scene.priors.boxes if scene.priors.boxes.dim() == 2 else scene.priors.boxes[image]
        owner = scene.gt.boxes[answer.gt_index[image, prior]]
        assert la.geometry.inside(la.geometry.centres(boxes[prior]), owner), f"prior {prior} lies outside {owner}"


def test_it_keeps_all_laws():
    check(Subject(Inside(), condition=in_its_object), max_examples=10)


def test_a_rule_of_row_order_has_to_be_declared():
    rows = Subject(Inside(smallest=False), condition=in_its_object)

    def in_any_order():
        for step in range(8):  # the step is the seed of the new order
            LAWS["permuted_objects"].check(rows, replace(NESTED, step=step))

    with pytest.raises(LawBroken, match="permuted_objects"):
        in_any_order()
    check(replace(rows, exempt={"permuted_objects": "the lower row wins"}), max_examples=10)


def test_an_exemption_names_a_law_and_a_reason():
    with pytest.raises(ValueError, match=r"names of laws .* got \['gravity'\]"):
        check(Subject(Inside(), exempt={"gravity": "no"}))
    with pytest.raises(ValueError, match=r"a reason for every exemption, got \['scaling'\]"):
        check(Subject(Inside(), exempt={"scaling": ""}))


def test_without_a_condition_the_law_says_what_to_do():
    with pytest.raises(LawBroken, match="Give Subject"):
        LAWS["own_condition"].check(Subject(Inside()), NESTED)
