"""Every instruction set, with any number of threads, gives the same bits."""

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import labelassign as la
from labelassign.ops.dispatch import OPS
from labelassign.ops.native import library
from tests.laws.subjects import SUBJECTS
from tests.plain.staged import STAGED
from tests.scenes import grid, ground_truth, predictions

# what the library has no part of
NAMES = {s.name: s.assigner for s in SUBJECTS if "rotated" not in s.name}
COUNTS = [(3, 0, 5), (40, 1, 7, 0, 12), (120,)]
BATCH = tuple(k * 7 % 5 for k in range(110))  # enough work for the kernels to ask for other threads
THREADS = (1, 2, 5)


def overlaps():
    priors, gt = grid(), ground_truth((9, 30))
    objects = (gt.boxes, gt.labels, gt.offsets, gt.ignore, 6)
    for rescue in (0, 1, 2):
        torch.ops.labelassign.match(priors.boxes, None, *objects, rescue, 0.2, True, rescue == 2)


def pairs():
    priors, gt, draw = grid(), ground_truth((9, 30)), torch.Generator().manual_seed(0)
    rows = torch.randint(0, 39, (500,), generator=draw)
    for scores_are in ("sigmoid_logits", "softmax_logits"):
        p = predictions(priors, 2)
        p = la.Predictions(p.boxes, p.scores, scores_are)
        la.FocalIoU().pairs(gt, p, rows, torch.randint(0, priors.count, (500,), generator=draw))


def mixtures():
    costs = torch.randn(70, 13, generator=torch.Generator().manual_seed(0)).exp()
    count = torch.arange(70) % 14
    for model in (la.Mixture(), la.Mixture(normalize=True, data_variance=True)):
        model.classify(costs, count, model.fit(costs, count))


# The public functions on the same kernels.
DIRECT = {"overlaps": overlaps, "pairs": pairs, "mixtures": mixtures}


def bits(t):
    """The tensor as whole numbers: -0.0 is not 0.0, and a NaN equals itself."""
    return t.view({4: torch.int32, 8: torch.int64}[t.element_size()]) if t.is_floating_point() else t


class Everywhere(TorchDispatchMode):
    """Runs each op on every set with every number of threads, and holds the results against the first."""

    def __init__(self, patch):
        super().__init__()
        self.ran, self.threads, entry = [], 1, library.call
        patch.setattr(library, "call", lambda op, packed, threads: entry(op, packed, self.threads))

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        op = OPS.get(func._schema.name.partition("::")[2]) if func.namespace == "labelassign" else None
        if op is None or op.refusal("native", *args) is not None:
            return func(*args, **(kwargs or {}))
        first = self.answers(op, args)
        if first is NotImplemented:
            return func(*args, **(kwargs or {}))
        self.ran.append(op.name)
        return first

    def answers(self, op, args):
        first = None
        for name in library.instruction_sets():
            library.choose(name)
            for self.threads in THREADS:
                got = op.fast["native"][0](*args)
                first = got if first is None else first
                self.same(f"{op.name} on {name} with {self.threads} threads", got, first)
        return first

    def same(self, where, got, want):
        assert type(got) is type(want), where
        if want is NotImplemented:
            return
        got, want = ((x,) if isinstance(x, torch.Tensor) else x for x in (got, want))
        for i, (mine, theirs) in enumerate(zip(got, want, strict=True)):
            assert torch.equal(bits(mine), bits(theirs)), f"{where}, output {i}"


@pytest.fixture
def everywhere(monkeypatch):
    before = library.instruction_set()
    with Everywhere(monkeypatch) as mode:
        yield mode
    library.choose(before)


@pytest.mark.parametrize("counts", COUNTS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_same_bits(everywhere, name, counts):
    priors, gt = grid(), ground_truth(counts, seed=len(counts))
    pair = [predictions(priors, gt.num_images, seed=seed) for seed in (1, 2)]
    NAMES[name](priors, gt, pair[0], teacher=pair[1], step=0)
    assert everywhere.ran


@pytest.mark.parametrize(
    "name", ["MaxIoU.rpn", "ATSS", "PAA", "PAA.overlap", "LAD", "CoLAD.official", "Uniform", "Rescue"]
)
def test_same_bits_of_a_batch(everywhere, name):
    priors, gt = grid(), ground_truth(BATCH)
    pair = [predictions(priors, gt.num_images, seed=seed) for seed in (1, 2)]
    NAMES[name](priors, gt, pair[0], teacher=pair[1], step=0)
    assert everywhere.ran


@pytest.mark.parametrize("name", DIRECT)
def test_same_bits_of_functions(everywhere, name):
    DIRECT[name]()
    assert everywhere.ran


def test_all_ops_are_compared(everywhere):
    priors, gt = grid(), ground_truth()
    for call in DIRECT.values():
        call()
    whole = (la.MaxIoU(), la.ATSS(), la.PAA(), la.CoLAD(la.PAA()), la.TaskAligned(), la.FCOS(), la.Uniform())
    for assigner in (*whole, STAGED, la.TaskAligned(topk2=1), la.Rescue(la.ATSS())):
        assigner(priors, gt, predictions(priors), teacher=predictions(priors), step=0)
    assert set(everywhere.ran) == {name for name, op in OPS.items() if "native" in op.fast}


def test_the_comparison_catches(everywhere, monkeypatch):
    op = OPS["match"]
    run, refusal = op.fast["native"]

    def wrong(*args):
        out = run(*args)
        if everywhere.threads == THREADS[-1] and library.instruction_set() == library.instruction_sets()[-1]:
            out[0].neg_()  # 0.0 becomes -0.0, among others
        return out

    monkeypatch.setitem(op.fast, "native", (wrong, refusal))
    priors, gt = grid(), ground_truth()
    with pytest.raises(AssertionError, match=r"match on .* with 5 threads, output 0"):
        torch.ops.labelassign.match(
            priors.boxes, None, gt.boxes, gt.labels, gt.offsets, gt.ignore, 6, 0, 0.5, False, False
        )
