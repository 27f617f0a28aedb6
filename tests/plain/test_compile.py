"""torch.compile(fullgraph=True) over any number of objects, equal to eager; and the ops by torch's own checks."""

import pytest
import torch
from torch._dynamo.utils import counters

import labelassign as la
from labelassign.distill.losses import select_boxes
from labelassign.ops.dispatch import OPS
from tests.laws.subjects import REPRESENTATIVE, SUBJECTS, TRACED
from tests.plain.staged import STAGED
from tests.scenes import grid, ground_truth, predictions

COUNTS = [(2, 3), (5, 0), (0, 0), (0, 1), (7, 2)]
# Some go through the code generator, too.
GENERATED = ["ATSS", "CoLAD.FisherScore.image"]


def compare(assigner, backend):
    torch._dynamo.reset()
    counters.clear()

    def call(priors, gt, mine, other):
        return assigner(priors, gt, mine, teacher=other, step=3)

    compiled = torch.compile(call, fullgraph=True, backend=backend)
    priors = grid()
    for seed, counts in enumerate(COUNTS):
        networks = [predictions(priors, 2, seed=seed + 50 * i) for i in (1, 2)]
        args = priors, ground_truth(counts, seed=seed), *networks
        want, got = call(*args), compiled(*args)
        assert torch.equal(want.gt_index, got.gt_index)
        assert torch.equal(want.reason, got.reason)
        for name in ("quality", "cls_target", "cls_weight", "loc_weight"):
            torch.testing.assert_close(getattr(want, name), getattr(got, name))
        for name, value in want.diagnostics.items():
            torch.testing.assert_close(value, got.diagnostics[name])
    # the first count is taken as a constant, then any; 0 and 1 are special to torch: four graphs, whatever comes
    assert counters["stats"]["unique_graphs"] <= 4
    assert not counters["graph_break"]


@pytest.mark.parametrize("subject", TRACED, ids=str)
def test_compiled_equals_eager(subject):
    compare(subject.assigner, "eager")


@pytest.mark.parametrize("subject", [s for s in SUBJECTS if s.name in GENERATED], ids=str)
def test_generated_code_equals_eager(subject):
    compare(subject.assigner, "inductor")


def test_the_lists_are_up_to_date():
    assert {s.name for s in SUBJECTS} >= {*GENERATED, *REPRESENTATIVE}


def test_a_loss_compiles_with_its_assignment():
    # an assigner is configuration, made once; torch 2.14 cannot trace the construction of its nested parts
    priors, assigner = grid(), la.PAA()

    def loss(gt, mine):
        a = assigner(priors, gt, mine)
        t = a.targets(gt, background=6, one_hot=True)
        cls = torch.nn.functional.binary_cross_entropy_with_logits(mine.scores, t.labels, reduction="none").sum(-1)
        weight = a.overlap(mine.boxes, gt)
        box = ((mine.boxes - t.boxes).abs().sum(-1) * weight).sum()
        return (cls * t.cls_weight).sum() / a.normalizer() + box / a.normalizer("iou_sum", overlap=weight)

    gt, p = ground_truth((2, 4)), predictions(priors, 2)
    scores = p.scores.clone().requires_grad_()
    compiled = torch.compile(loss, fullgraph=True, backend="aot_eager")
    results = []
    for run in (loss, compiled):
        value = run(gt, la.Predictions(p.boxes, scores))
        results.append((value.detach(), *torch.autograd.grad(value, scores)))
    for want, got in zip(*results, strict=True):
        torch.testing.assert_close(want, got)


class Recorder(torch.utils._python_dispatch.TorchDispatchMode):
    """Keeps the arguments of every custom op."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func.namespace == "labelassign":
            self.calls.append((func, args))
        return func(*args, **(kwargs or {}))


def test_ops_pass_torch_s_own_checks():
    priors, gt = grid(), ground_truth((3, 4))
    p = predictions(priors, 2)
    crowd = la.GroundTruth(gt.boxes, gt.labels, gt.offsets, torch.arange(7) == 2)
    names = {"MaxIoU", "ATSS", "CoLAD.FisherScore.image", "PAA.overlap", "FCOS", "Uniform", "Hungarian", "SimOTA"}
    names |= {"OTA"}
    names |= {"TaskAligned.yolo26", "Rescue", "Rescue.LAD"}
    with torch.no_grad(), Recorder() as record:
        for subject in SUBJECTS:
            if subject.name in names:
                subject.assigner(priors, crowd, p, teacher=p, step=0)
        STAGED(priors, crowd, p)
        for each in (la.PAA(), la.TaskAligned()):
            each._pairs(priors, gt, p, gt.labels, gt.labels)
        select_boxes(p.boxes, gt)
        costs, count, mixture = torch.rand(3, 6), torch.tensor([6, 2, 0]), la.Mixture()
        mixture.classify(costs, count, mixture.fit(costs, count))
    assert {func._schema.name.partition("::")[2] for func, _ in record.calls} == set(OPS)
    checked = set()
    for func, args in record.calls:
        if func not in checked:
            torch.library.opcheck(func, args)
            checked.add(func)
