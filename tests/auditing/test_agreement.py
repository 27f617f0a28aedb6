"""Churn and agreement equal what Python's sets say."""

import pickle

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import labelassign as la
from tests.auditing.streams import LEVELS, batch, images
from tests.scenes import grid, ground_truth, predictions

pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")


@st.composite
def pairs(draw):
    """Two assignments of the same objects: the second has some of the owners of the first."""
    stream = draw(images())
    first, gt, priors = batch(stream, padding=1)
    mask = torch.rand(first.gt_index.shape, generator=torch.Generator().manual_seed(draw(st.integers(0, 99))))
    shuffled = first.gt_index[:, torch.randperm(sum(LEVELS), generator=torch.Generator().manual_seed(1))]
    other = torch.where(mask < draw(st.sampled_from([0.0, 0.3, 1.1])), shuffled, first.gt_index)
    return first, first.with_gt_index(other, first.reason), gt, priors


def sets(a):
    flat = a.gt_index.flatten().tolist()
    return [{place for place, owner in enumerate(flat) if owner == row} for row in range(a.reason.shape[0])]


@given(pairs())
def test_churn_is_one_minus_the_jaccard_index(pair):
    a, b, _, _ = pair
    want = [len(x ^ y) / len(x | y) if x | y else 0.0 for x, y in zip(sets(a), sets(b), strict=True)]
    assert torch.equal(la.churn(a, b), torch.tensor(want))
    assert torch.equal(la.churn(a, b), la.churn(b, a))
    assert (la.churn(a, a) == 0).all()


@given(pairs())
def test_agreement_counts_what_sets_count(pair):
    a, b, _, _ = pair
    found = la.Agreement.between(a, b)
    owners = list(zip(a.gt_index.flatten().tolist(), b.gt_index.flatten().tolist(), strict=True))
    some = [(x, y) for x, y in owners if x >= 0 or y >= 0]
    real = [code not in (la.Reason.IGNORED, la.Reason.PADDING) for code in a.reason.tolist()]
    equal = [x == y for x, y, r in zip(sets(a), sets(b), real, strict=True) if r]
    assert found.to_dict() == {
        "priors": len(owners),
        "same_priors": sum(x == y for x, y in owners),
        "positives": len(some),
        "same_positives": sum(x == y for x, y in some),
        "objects": len(equal),
        "same_objects": sum(equal),
    }
    assert found.to_dict() == la.Agreement.between(b, a).to_dict()
    assert la.Agreement.between(a, a).of_priors == la.Agreement.between(a, a).of_objects == 1


@given(pairs(), pairs())
def test_agreements_add(first, second):
    one, two = (la.Agreement.between(*pair[:2]) for pair in (first, second))
    total = sum([one, two])
    assert total.to_dict() == {k: v + two.to_dict()[k] for k, v in one.to_dict().items()}
    assert pickle.loads(pickle.dumps(total)).to_dict() == total.to_dict()
    assert la.Agreement.from_dict(total.to_dict()).to_dict() == total.to_dict()
    if total.to_dict()["positives"]:
        assert total.of_positives == int(total.same_positives) / int(total.positives)


def test_student_and_teacher():
    priors, gt = grid(), ground_truth()
    mine, theirs = predictions(priors), predictions(priors, seed=9)
    student, teacher, distilled = la.PAA()(priors, gt, mine), la.PAA()(priors, gt, theirs), la.LAD(la.PAA())
    found = la.Agreement.between(student, teacher)
    assert 0 < found.of_positives < found.of_priors < 1
    assert repr(found) == (
        f"Agreement({found.of_priors:.1%} of priors, {found.of_positives:.1%} of positives, "
        f"{found.of_objects:.1%} of objects)"
    )
    assert la.Agreement.between(teacher, distilled(priors, gt, mine, teacher=theirs)).of_objects == 1


def test_what_is_no_pair_is_refused():
    priors, gt = grid(), ground_truth()
    a = la.ATSS()(priors, gt)
    fewer, other = la.ATSS()(priors, ground_truth((3, 5))), la.ATSS()(priors, gt.pad_to(20))
    for compare, who in ((la.churn, "churn"), (la.Agreement.between, "Agreement.between")):
        with pytest.raises(
            ValueError, match=rf"{who}: expected the same shape of `gt_index` .*, got first: \[3, 420\], "
        ):
            compare(a, fewer)
        with pytest.raises(ValueError, match=rf"{who}: expected the same number of rows everywhere, got first: 8, sec"):
            compare(a, other)
