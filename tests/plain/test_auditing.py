"""An audit waits for no device, and refuses what does not belong together."""

from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import labelassign as la
from tests.plain.sync_guard import SyncGuard
from tests.scenes import grid, ground_truth

PRIORS, GT = grid(), ground_truth()
A = la.ATSS()(PRIORS, GT)
COARSE = la.Priors(PRIORS.boxes, (320, 100))


def fake():
    integers = torch.zeros(3, dtype=torch.int64, device="cuda")
    gt = la.GroundTruth(torch.zeros(3, 4, device="cuda"), integers, integers.clone(), integers.bool())
    return la.Priors.grid(image_size=(128, 160), strides=(8, 16), scale=4, device="cuda"), gt


def test_nothing_waits_for_the_device():
    with FakeTensorMode():
        priors, gt = fake()
        a, audit = la.ATSS()(priors, gt), la.Audit()
        with SyncGuard():
            for _ in range(3):
                audit.add(a, gt, priors)
            (audit.report + audit.report).detach()
            repr(audit)
            la.churn(a, a)
            sum([la.Agreement.between(a, a), la.Agreement.between(a, a)])
            repr(la.Agreement.between(a, a))
        assert audit.report.listed.device.type == "cuda"


def adding(gt=GT, priors=PRIORS, **changed):
    return lambda: la.Audit().add(replace(A, **changed), gt, priors)


def summed(**options):
    priors = options.pop("priors", PRIORS)
    one, other = la.Audit(), la.Audit(**options)
    one.add(A, GT, PRIORS)
    other.add(A, GT, priors)
    return lambda: one.report + other.report


CASES = {
    "sizes out of order": (lambda: la.Audit(sizes=(96, 32)), ["Audit", "> 0, finite and rising", "(96, 32)"]),
    "sizes of 0": (lambda: la.Audit(sizes=(0, 32)), ["`sizes`", "(0, 32)"]),
    "no sizes": (lambda: la.Audit(sizes=()), ["`sizes`", "got ()"]),
    "endless sizes": (lambda: la.Audit(sizes=(32, float("inf"))), ["`sizes`", "inf"]),
    "sizes that are none": (lambda: la.Audit(sizes=(32, float("nan"))), ["`sizes`", "nan"]),
    "most": (lambda: la.Audit(most=0), ["`most` to be a whole number >= 1", "got 0"]),
    "keep": (lambda: la.Audit(keep=-1), ["`keep` to be a whole number >= 0", "got -1"]),
    "keep is no number": (lambda: la.Audit(keep=2.5), ["`keep`", "got 2.5"]),
    "rows": (adding(gt=GT.pad_to(11)), ["Audit.add", "assignment: 8, ground truth: 11"]),
    "images": (adding(gt=ground_truth((8,))), ["number of images", "assignment: 3, ground truth: 1"]),
    "priors": (adding(priors=la.Priors.queries(7)), ["number of priors", "assignment: 420, priors: 7"]),
    "devices": (adding(gt=GT.to("meta")), ["one device", "meta"]),
    "owners": (adding(gt_index=A.gt_index + 9), ["`gt_index` in -2..7", "got 8..16"]),
    "owners below": (adding(gt_index=A.gt_index - 2), ["`gt_index` in -2..7", "got -3..5"]),
    "reasons": (adding(reason=A.reason + 9), ["`reason` in 0..8", "got 9.."]),
    "reasons below": (adding(reason=A.reason - 1), ["`reason` in 0..8", "got -1.."]),
    "levels": (summed(priors=COARSE), ["number of levels", "first: 3, second: 2", "options"]),
    "other sizes": (summed(sizes=(32,)), ["`sizes`", "(32.0, 96.0)", "(32.0,)"]),
    "other most": (summed(most=5), ["`most`", "first: 33, second: 6"]),
    "other keep": (summed(keep=5), ["`keep`", "first: 1000, second: 5"]),
    "a batch of one": (lambda: la.audit(la.ATSS(), [(PRIORS,)]), ["audit, batch 0", "(priors, gt)", "1 parts"]),
    "a batch of five": (lambda: la.audit(la.ATSS(), [(PRIORS,) * 5]), ["(priors, gt)", "5 parts"]),
    "no batch": (lambda: la.audit(la.ATSS(), [(PRIORS, GT), GT]), ["audit, batch 1", "got GroundTruth"]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_does_not_belong_together_is_refused(name):
    call, parts = CASES[name]
    with pytest.raises(ValueError, match="expected") as caught:
        call()
    assert not [part for part in parts if part not in str(caught.value)], str(caught.value)


@pytest.mark.parametrize("other", [1, "report", None, la.Agreement.between(A, A)])
def test_only_reports_are_added(other):
    with pytest.raises(TypeError, match="unsupported operand"):
        la.Audit().report + other
    with pytest.raises(TypeError, match=r"unsupported operand|concatenate"):
        other + la.Audit().report


def test_the_most_awkward_batches_are_ordinary():
    audit = la.Audit(keep=2)
    nothing = torch.zeros(0, 4)
    none = la.GroundTruth(nothing, nothing[:, 0].long(), torch.zeros(1, dtype=torch.int64), nothing[:, 0].bool())
    for gt in (ground_truth((0, 0)), ground_truth((0,)).pad_to(4), none):
        index = torch.full((gt.num_images, 420), -1)
        reason = torch.full((gt.num_rows,), int(la.Reason.PADDING), dtype=torch.int8)
        audit.add(replace(A, gt_index=index, reason=reason, offsets=gt.offsets), gt, PRIORS)
    assert audit.report.images == 3
    assert audit.report.objects.sum() == 0
    assert audit.report.priors.sum() == audit.report.priors[:, 1].sum() == 3 * 420
    assert audit.report.missing() == []
