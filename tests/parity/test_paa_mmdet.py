"""PAA.mmdet against the steps of mmdet's own PAAHead: get_targets, get_pos_loss, paa_reassign.

Fed float64 costs, the head's Gaussian mixture runs in float64, which is what PAA.mmdet promises to equal.
"""

import logging
from collections import Counter

import pytest
import torch

import labelassign as la
from tests.parity import paa_head
from tests.parity.awkward_scenes import NAMES, awkward
from tests.parity.paa_ties import UNEXPLAINED, differences
from tests.parity.scenes import (
    CLASSES,
    COUNTS,
    SEEDS,
    Output,
    Scene,
    assert_same,
    image_rows,
    output,
    pack,
    predictions,
    priors,
    scene,
    scenes,
    untrained,
)

PAA = la.PAA.mmdet()
LOG = logging.getLogger(__name__)  # --log-cli-level=INFO lists every prior that differs


def our_costs(pre, gt, network, image=0):
    """The cost that PAA.mmdet gives each of the head's candidates."""
    return PAA._pairs(priors(), gt, network, pre.row + gt.offsets[image], pre.prior)[0]


def test_the_anchors_are_the_same():
    pre = paa_head.pre_assign(scene(7, 0))
    assert torch.equal(torch.cat(pre.anchors), priors().boxes)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_prior_differs_on_separated_costs(seed):
    batch, gt = scenes(seed), pack(scenes(seed))
    network = predictions([output(count, seed) for count in COUNTS])
    ours, proposed = image_rows(PAA(priors(), gt, network)), PAA._propose(priors(), gt, network)
    for i, here in enumerate(batch):
        pre, name = paa_head.pre_assign(here), f"seed {seed}, {len(here.boxes)} objects"
        mine = slice(*gt.offsets[i : i + 2].tolist())
        held = torch.bincount(pre.row, minlength=len(here.boxes))
        assert torch.equal(proposed.count[mine].sum(1), held), f"{name}: another pre-assignment"
        theirs = paa_head.reassign(pre, our_costs(pre, gt, network, i).double())
        assert_same(ours[i], theirs, name)


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_no_prior_differs_end_to_end(seed):
    """Each side with its own costs: mmdet's loss modules work in float32, ours in float64 and round once."""
    counts = (1, 7, 63)
    gt, network = pack(scenes(seed, counts)), predictions([output(count, seed) for count in counts])
    ours = image_rows(PAA(priors(), gt, network))
    for i, count in enumerate(counts):
        pre = paa_head.pre_assign(scene(count, seed))
        costs = paa_head.own_costs(pre, output(count, seed))
        torch.testing.assert_close(our_costs(pre, gt, network, i), costs, rtol=1e-5, atol=0.0)
        assert_same(ours[i], paa_head.reassign(pre, costs.double()), f"seed {seed}, {count} objects")


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kind", ["continuous", "whole pixels"])
def test_every_difference_at_the_first_step_of_training_is_a_tie(kind, seed):
    """One logit and one anchor shape: many candidates of a tiny or huge object have exactly the same cost."""
    here = scene(23, seed, integer=kind == "whole pixels")
    gt, network = pack([here]), predictions([untrained()])
    pre = paa_head.pre_assign(here)
    costs = our_costs(pre, gt, network)
    theirs = paa_head.reassign(pre, costs.double())
    found = differences(pre, costs, image_rows(PAA(priors(), gt, network))[0], theirs)
    assert not [each for each in found if each[2] == UNEXPLAINED]
    LOG.info("%s, %s: (prior, object, reason) %s", kind, Counter(reason for *_, reason in found), found)
    assert len(found) > 20, "this scene holds no ties, and proves nothing"


@pytest.mark.parametrize("spread", [1e-3, 1e-4, 1e-5])
def test_every_difference_on_nearly_equal_costs_is_a_tie_or_cancellation(spread):
    """The covariance types full and diag are one model; mmdet's default, diag, takes the difference of E[x²] and E[x]²,
    which cancels where costs are nearly equal, also in float64. Where it moves the answer, full gives ours.
    """
    here, g = scene(63, 1), torch.Generator().manual_seed(5)
    logits = untrained().logits + spread * torch.randn(priors().count, CLASSES, generator=g)
    gt, network = pack([here]), predictions([Output(logits, untrained().deltas)])
    pre = paa_head.pre_assign(here)
    costs, ours = our_costs(pre, gt, network), image_rows(PAA(priors(), gt, network))[0]
    full, diag = (paa_head.reassign(pre, costs.double(), kind) for kind in ("full", "diag"))
    assert not [each for each in differences(pre, costs, ours, full) if each[2] == UNEXPLAINED]
    found = differences(pre, costs, ours, diag)
    LOG.info("spread %g: (prior, object, reason) %s", spread, found)
    assert not [each for each in found if each[2] == UNEXPLAINED and ours[each[0]] != full[each[0]]]


def test_a_wrong_answer_has_no_excuse():
    """The search for ties accepts no difference that is none, though the scene holds ties."""
    for network in (output(23, 0), untrained()):
        here, both = scene(23, 0), predictions([network])
        pre = paa_head.pre_assign(here)
        costs = our_costs(pre, pack([here]), both)
        right = image_rows(PAA(priors(), pack([here]), both))[0]
        alone = torch.stack([(costs == c).sum() for c in costs]) == 1
        for index, value in ((right[pre.prior] >= 0, -1), (right[pre.prior] < 0, None)):
            at = (index & alone).nonzero()[:12, 0]
            assert len(at)
            for k in at.tolist():
                wrong = right.clone()
                wrong[pre.prior[k]] = pre.row[k] if value is None else value
                assert [each[2] for each in differences(pre, costs, right, wrong)] == [UNEXPLAINED]


def test_priors_outside_the_image_take_no_part():
    here, size = scene(63, 1), (650, 1001)
    network, inside = predictions([output(63, 1)]), priors().with_image_sizes(torch.tensor([size]).float())
    pre = paa_head.pre_assign(here, size)
    theirs = paa_head.reassign(pre, our_costs(pre, pack([here]), network).double())
    assert_same(image_rows(PAA(inside, pack([here]), network))[0], theirs, "inside the image")
    assert (theirs == la.IGNORE).sum() > 1000


@pytest.mark.parametrize("name", NAMES)
def test_no_prior_differs_on_awkward_scenes(name):
    """An object without any overlap claims every prior that no other object overlaps: the defect is shared."""
    here = Scene(awkward()[name].boxes, awkward()[name].labels)
    network = predictions([output(7, 2)])
    pre = paa_head.pre_assign(here)
    theirs = paa_head.reassign(pre, our_costs(pre, pack([here]), network).double())
    assert_same(image_rows(PAA(priors(), pack([here]), network))[0], theirs, name)
