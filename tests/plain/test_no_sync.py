"""Nothing on the hot path waits for the device: fake `cuda` tensors, the ops' reference bodies, and a strict guard."""

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

import labelassign as la
from labelassign.distill.losses import HeadOutputs, SoftDistillation, select_boxes
from labelassign.ops.dispatch import OPS
from labelassign.solvers import SOLVERS
from tests.laws.matching import Sized
from tests.laws.subjects import TRACED
from tests.plain.staged import STAGED
from tests.plain.sync_guard import EXCEPTIONS, SyncGuard

IMAGES, ROWS = 2, 3


def inputs(device="cuda", valid=False):
    priors = la.Priors.grid(image_size=(128, 160), strides=(8, 16), scale=4, device=device)
    if valid:
        priors = la.Priors(
            priors.boxes, priors.level_sizes, priors.strides, valid=torch.ones(IMAGES, 400, device=device).bool()
        )
    integers = torch.zeros(ROWS, dtype=torch.int64, device=device)
    gt = la.GroundTruth(torch.zeros(ROWS, 4, device=device), integers, integers.clone(), integers.bool())
    p = la.Predictions(torch.zeros(IMAGES, 400, 4, device=device), torch.zeros(IMAGES, 400, 5, device=device))
    return priors, gt, p


@pytest.mark.parametrize("subject", TRACED, ids=str)
def test_no_assigner_waits_for_the_device(subject):
    with FakeTensorMode():
        # the rules for invalid priors lie in what CoLAD wraps
        for valid in (False,) if isinstance(subject.assigner, la.CoLAD) else (False, True):
            priors, gt, p = inputs(valid=valid)
            with SyncGuard() as guard:
                a = subject.assigner(priors, gt, p, teacher=p, step=0)
            assert a.gt_index.device.type == "cuda"
            assert guard.ops


def test_every_op_has_been_under_the_guard():
    seen = set()
    with FakeTensorMode():
        priors, gt, p = inputs()
        plain = (la.MaxIoU(), la.ATSS(), la.PAA(), STAGED, la.CoLAD(la.PAA()), la.FCOS(), la.Uniform(), la.SimOTA())
        for assigner in (*plain, la.TaskAligned(topk2=1), la.Rescue(la.ATSS()), la.OTA(), Sized(la.Hungarian())):
            with SyncGuard() as guard:
                assigner(priors, gt, p, teacher=p)
            seen |= guard.ops
        with SyncGuard() as guard:
            la.PAA()._pairs(priors, gt, p, gt.labels, gt.labels)
            la.TaskAligned()._pairs(priors, gt, p, gt.labels, gt.labels)
            select_boxes(p.boxes, gt)
            costs, mixture = torch.zeros(2, 5, device="cuda"), la.Mixture(max_steps=2)
            mixture.classify(costs, costs.sum(1).long(), mixture.fit(costs, costs.sum(1).long()))
    assert seen | guard.ops == set(OPS)


@pytest.mark.parametrize("name", EXCEPTIONS)
@pytest.mark.parametrize("solver", SOLVERS)
def test_what_the_guard_lets_wait_does_wait(name, solver):
    with FakeTensorMode():
        cost, offsets = torch.zeros(3, 8, device="cuda"), torch.zeros(3, dtype=torch.int64, device="cuda")
        with SyncGuard(), pytest.raises(RuntimeError, match=r"waits|copies"):
            OPS[name].reference(cost, offsets, 1, 1, solver)


def test_an_image_batch_without_objects_waits_for_nothing():
    with FakeTensorMode():
        priors, gt, p = inputs()
        empty = la.GroundTruth(gt.boxes[:0], gt.labels[:0], gt.offsets, gt.ignore[:0])
        with SyncGuard():
            assert la.CoLAD(la.PAA())(priors, empty, p, teacher=p).reason.shape == (0,)


def test_what_a_loss_reads_waits_for_nothing():
    with FakeTensorMode():
        priors, gt, p = inputs()
        a = la.PAA()(priors, gt, p)
        generator = None
        with SyncGuard():
            a.targets(gt, background=5, coder=la.DeltaCoder(), priors=priors)
            a.targets(gt, background=5, one_hot=True)
            iou = a.overlap(p.boxes, gt)
            for kind, overlap in (("num_pos", None), ("score_sum", None), ("iou_sum", iou)):
                a.normalizer(kind, reduce=True, overlap=overlap)
            la.sample_balanced(a, 64, 0.5, generator)
            heads = HeadOutputs(p.scores, p.boxes, p.scores[..., 0])
            SoftDistillation.solad()(heads, heads, gt)
            repr(a)


FORBIDDEN = {
    "item": lambda x: x.sum().item(),
    "nonzero": lambda x: x.nonzero(),
    "boolean index": lambda x: x[x > 0],
    "boolean assignment": lambda x: x.index_put_((x > 0,), torch.zeros((), device=x.device)),
    "copy to the host": lambda x: x.cpu(),
    "copy from the host": lambda x: x + torch.zeros(3).to(x.device),
    "index from the host": lambda x: x[torch.tensor([0, 1])],
    "python if": lambda x: 1 if x.sum() > 0 else 0,
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_the_guard_sees(name):
    with FakeTensorMode(allow_non_fake_inputs=True):
        x = torch.zeros(3, device="cuda")
        with SyncGuard(), pytest.raises(Exception, match=r"waits|mixes|copies|data.dependent|DataDependent|device"):
            FORBIDDEN[name](x)
