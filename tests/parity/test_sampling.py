"""sample_balanced against torchvision's sampler: equal counts, the choice is random in both."""

import pytest
import torch
from torchvision.models.detection._utils import BalancedPositiveNegativeSampler

import labelassign as la
from tests.parity.scenes import COUNTS, pack, priors, scenes


def counts(assignment):
    return torch.stack([assignment.positive.sum(1), assignment.background.sum(1)])


@pytest.mark.parametrize(
    ("number", "share"), [(256, 0.5), (512, 0.25), (16, 0.5), (7, 0.3), (40000, 0.5), (64, 0.0), (64, 1.0)]
)
@pytest.mark.parametrize("preset", ["rpn", "rcnn", "retinanet"])
def test_as_many_of_each_kind(preset, number, share):
    """40000: more than there are; fewer positives than wanted are made up with background in both."""
    assignment = getattr(la.MaxIoU, preset)()(priors(), pack(scenes(0)))
    labels = list(assignment.positive.long() - assignment.ignored.long())
    sampled = BalancedPositiveNegativeSampler(number, share)(labels)
    theirs = torch.stack([torch.stack(kind).sum(1) for kind in sampled])
    ours = la.sample_balanced(assignment, number, share)
    assert torch.equal(counts(ours), theirs)
    assert len(theirs[0]) == len(COUNTS)
    kept = ours.gt_index != la.IGNORE
    assert torch.equal(ours.gt_index[kept], assignment.gt_index[kept])


def test_every_prior_has_its_chance():
    """Both draw uniformly: over many draws every candidate appears about equally often."""
    assignment = la.MaxIoU.rpn()(la.Priors.grid(image_size=(64, 64), strides=(8,), scale=2), pack(scenes(0, (0,))))
    times = sum(la.sample_balanced(assignment, 16).background[0].long() for _ in range(800))
    assert times.sum() == 800 * 16
    assert 140 < times.min() <= times.max() < 260  # 200 expected, deviation 12
