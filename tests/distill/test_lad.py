"""LAD is the wrapped assigner on the teacher's predictions, and nothing else."""

from dataclasses import dataclass

import pytest
import torch

import labelassign as la
from tests.scenes import grid, ground_truth, predictions


@pytest.mark.parametrize("inner", [la.PAA(), la.PAA.mmdet(), la.PAA(shared="overlap")])
def test_lad_is_the_wrapped_assigner_on_the_teacher(inner):
    priors, gt = grid(), ground_truth()
    mine, theirs = predictions(priors, seed=1), predictions(priors, seed=2)
    by_teacher = la.LAD(inner)(priors, gt, mine, teacher=theirs)
    expected = inner(priors, gt, theirs)
    assert torch.equal(by_teacher.gt_index, expected.gt_index)
    assert torch.equal(by_teacher.quality, expected.quality)
    assert not torch.equal(by_teacher.gt_index, inner(priors, gt, mine).gt_index)  # the student has no say


def test_the_student_is_not_needed():
    priors, gt = grid(), ground_truth()
    theirs = predictions(priors)
    assert la.LAD(la.PAA()).needs == {"teacher"}
    without = la.LAD(la.PAA())(priors, gt, teacher=theirs)
    assert torch.equal(without.gt_index, la.PAA()(priors, gt, theirs).gt_index)


@dataclass(frozen=True)
class SoftPAA(la.CostAssigner):
    """A cost-based assigner with soft targets: the predicted overlap with the assigned object."""

    inner: la.PAA = la.PAA()  # noqa: RUF009 - frozen
    ignore_iof: float | None = None

    def _propose(self, priors, gt, predictions, moments=True):
        return self.inner._propose(priors, gt, predictions, moments)

    def _pairs(self, priors, gt, predictions, gt_row, prior):
        return self.inner._pairs(priors, gt, predictions, gt_row, prior)

    def _decide(self, priors, gt, candidates):
        return self.inner._decide(priors, gt, candidates)

    def _soft_targets(self, priors, gt, networks, gt_index):
        return self._owned(priors, gt, networks, gt_index)[1]


def test_soft_targets_come_from_the_deciding_network_or_the_student():
    priors, gt = grid(), ground_truth()
    mine, theirs = predictions(priors, seed=1), predictions(priors, seed=2)
    by_teacher = la.LAD(SoftPAA())(priors, gt, mine, teacher=theirs)
    by_student = la.LAD(SoftPAA(), targets="student")(priors, gt, mine, teacher=theirs)
    assert torch.equal(by_teacher.gt_index, by_student.gt_index)
    assert torch.equal(by_teacher.cls_target, by_teacher.overlap(theirs.boxes, gt))
    assert torch.equal(by_student.cls_target, by_student.overlap(mine.boxes, gt))
    assert la.LAD(SoftPAA(), targets="student").needs == {"teacher", "predictions"}


def test_ignore_regions_follow_the_wrapped_rule():
    assert la.LAD(la.PAA(ignore_iof=0.25)).ignore_iof == 0.25
    assert la.LAD(la.PAA.mmdet()).ignore_iof is None
