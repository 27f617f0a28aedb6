"""Balanced sampling."""

import pytest
import torch

import labelassign as la
from tests.scenes import grid, ground_truth


def test_counts_and_owners():
    a = la.MaxIoU(0.4, 0.3)(grid(), ground_truth())
    s = la.sample_balanced(a, 40, 0.25, torch.Generator().manual_seed(0))
    assert s.positive.sum(1).tolist() == [min(10, n) for n in a.positive.sum(1).tolist()]
    assert (s.positive | s.background).sum(1).tolist() == [40, 40, 40]
    kept = ~s.ignored
    assert torch.equal(s.gt_index[kept], a.gt_index[kept])
    assert (s.cls_weight == kept.float()).all()
    assert (s.loc_weight == s.positive.float()).all()


def test_too_few_priors_are_all_taken():
    a = la.MaxIoU(0.4, 0.3)(grid(), ground_truth())
    s = la.sample_balanced(a, 10_000, 1.0)
    assert torch.equal(s.gt_index, a.gt_index)


def test_the_generator_decides():
    a = la.MaxIoU(0.4, 0.3)(grid(), ground_truth())
    one, two, three = (la.sample_balanced(a, 32, 0.5, torch.Generator().manual_seed(s)).gt_index for s in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, three)


def test_every_prior_is_as_likely():
    a = la.MaxIoU(0.4, 0.3)(grid(), ground_truth((0,)))
    random = torch.Generator().manual_seed(0)
    hits = sum(la.sample_balanced(a, 42, 0.5, random).background.float() for _ in range(2000))
    share = hits[0] / 2000  # each of 420 priors with probability 0.1: five standard deviations are 0.034
    assert (share - 0.1).abs().max() < 0.034


def test_objects_that_lose_all_priors_say_so():
    a = la.MaxIoU(0.4, 0.3)(grid(), ground_truth((8,)))
    s = la.sample_balanced(a, 4, 0.25)
    lost = (a.per_gt_count > 0) & (s.per_gt_count == 0)
    assert lost.any()
    assert torch.equal(s.reason == la.Reason.NOT_SAMPLED, lost)


def test_options_are_checked():
    a = la.MaxIoU()(grid(), ground_truth())
    with pytest.raises(ValueError, match=r"0 <= positive_fraction <= 1, got 1\.5"):
        la.sample_balanced(a, 4, 1.5)
    with pytest.raises(ValueError, match="`num` > 0"):
        la.sample_balanced(a, 0)
