"""The host's side of the Triton paths, without a device: when they refuse, what they launch, that they never wait."""

from collections import Counter
from contextlib import nullcontext

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import labelassign as la
from labelassign.ops import accelerator
from labelassign.ops.dispatch import OPS
from tests.kernels.central_cases import REFUSED
from tests.kernels.offline import launches
from tests.kernels.triton_cases import calls
from tests.laws.subjects import MAX_IOU, PAA
from tests.plain.sync_guard import SyncGuard
from tests.plain.test_no_sync import inputs

CALLS = calls()
CENTRAL = [
    *(la.TaskAligned(), la.TaskAligned.tood(), la.TaskAligned.ppyoloe(), la.TaskAligned.ultralytics()),
    *(la.LAD(la.TaskAligned()), la.LAD(la.SimOTA.mmdet())),
    *(la.SimOTA(), la.SimOTA.mmdet(), la.SimOTA.yolox(), la.DynamicSoftLabel(), la.DynamicSoftLabel.rtmdet()),
]
SUBJECTS = [s for s in (*MAX_IOU, *PAA) if s.name != "PAA.overlap"] + [la.LAD(la.PAA()), la.CoLAD(la.PAA()), *CENTRAL]
# what a call on a device starts: kernels by name, and fills of scratch memory by torch
STARTS = {
    "match": {"best_kernel": 1, "claim_kernel": 1, "fill": 1},
    "max_iou": {
        "best_kernel": 1,
        "decide_kernel": 1,
        "reason_kernel": 1,
        "prior_kernel": 1,
        "row_kernel": 1,
        "fill": 2,
    },
    "candidates": {"best_kernel": 1, "cost_kernel": 1, "list_kernel": 1, "fill": 1},
    "settle": {"settle_kernel": 1},
    "complete": {"prior_kernel": 1, "row_kernel": 1, "fill": 1},
    "resolve": {"claim_kernel": 1, "owner_kernel": 1, "fill": 1},
    "paa": {"meet_kernel": 1, "cost_kernel": 1, "award_kernel": 1},
    "rivals": {"meet_kernel": 1, "cost_kernel": 1, "list_kernel": 1},
    "award": {"grant_kernel": 1},
    "central_answer": {"look_kernel": 1, "bid_kernel": 1, "contest_kernel": 1, "finish_kernel": 1},
}
STAGES = [
    *("best_kernel", "cost_kernel", "list_kernel", "settle_kernel"),
    *("claim_kernel", "owner_kernel", "prior_kernel", "row_kernel"),
]
# these start nothing on a device
FREE = {"empty", "new_empty", "empty_like", "view", "slice", "detach", "alias", "select", "as_strided", "device"}
FILLS = {"new_zeros", "new_full", "zeros", "full"}


class _Work(TorchDispatchMode):
    """Counts the operations of torch that would start a kernel."""

    def __init__(self):
        super().__init__()
        self.found = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.partition("::")[2]
        if name not in FREE:
            self.found["fill" if name in FILLS else name] += 1
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", CALLS)
def test_a_call_starts_what_it_should(name):
    op, args = CALLS[name]
    args = [t.contiguous() if isinstance(t, torch.Tensor) and t.dim() != 3 else t for t in args]
    with _Work() as work, launches() as started:
        OPS[op].fast["triton"][0](*args)
    assert Counter(launch.name for launch in started) + work.found == STARTS[op]


def test_every_op_with_a_triton_path_has_calls():
    assert {op for op, _ in CALLS.values()} == {name for name, op in OPS.items() if "triton" in op.fast} == set(STARTS)


@pytest.fixture
def _device(monkeypatch):
    """A device for fake tensors: of sufficient age, and entered without effect."""
    monkeypatch.setattr(accelerator, "_too_old", lambda device: None)
    monkeypatch.setattr(torch.cuda, "device", nullcontext)


def triton_or_reference(name):
    def body(*args):
        run, refusal = OPS[name].fast.get("triton", (None, lambda *_: "none"))
        return OPS[name].reference(*args) if refusal(*args) else run(*args)

    return body


@pytest.mark.usefixtures("_device")
@pytest.mark.parametrize("subject", SUBJECTS, ids=str)
def test_no_launch_waits_for_the_device(subject):
    assigner = getattr(subject, "assigner", subject)
    with FakeTensorMode(), launches() as started:
        for valid in (False, True):
            priors, gt, p = inputs(valid=valid)
            with SyncGuard(triton_or_reference):
                assert assigner(priors, gt, p, teacher=p, step=0).gt_index.device.type == "cuda"
    assert started
    devices = {t.device.type for launch in started for t in tree_leaves(launch.args) if isinstance(t, torch.Tensor)}
    assert devices == {"cuda"}


class _Counting(SyncGuard):
    """Counts, beside the launches of triton, what torch starts."""

    def __init__(self):
        super().__init__(triton_or_reference)
        self.work = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func._schema.name.partition("::")[2]
        if func.namespace != "labelassign" and name not in FREE:
            self.work["fill" if name in FILLS else name] += 1
        return super().__torch_dispatch__(func, types, args, kwargs)


def started_by(assigner):
    """The launches of a call, and what torch starts in it."""
    with FakeTensorMode(), launches() as started:
        for valid in (True, False):
            started.clear()
            priors, gt, p = inputs(valid=valid)
            with _Counting() as counting:
                assigner(priors, gt, p, teacher=p)
            assert len({launch.name for launch in started}) == len(started)
    return [launch.name for launch in started], counting.work


@pytest.mark.usefixtures("_device")
@pytest.mark.parametrize("assigner", [la.PAA(), la.PAA.mmdet(), la.PAA.original(), la.LAD(la.PAA())], ids=str)
def test_a_whole_call_starts_three_kernels_and_nothing_else(assigner):
    # torch copies the offsets into the answer, after the op
    assert started_by(assigner) == (list(STARTS["paa"]), {"clone": 1})


@pytest.mark.usefixtures("_device")
@pytest.mark.parametrize("assigner", CENTRAL, ids=str)
def test_candidates_by_centres_start_four_kernels_and_nothing_else(assigner):
    assert started_by(assigner) == (list(STARTS["central_answer"]), {"clone": 1})


@pytest.mark.usefixtures("_device")
@pytest.mark.parametrize(
    ("criterion", "granularity"),
    [(la.StdMean(), "batch"), (la.StdMean(), "image"), (la.StdMean(), "gt_level"), (la.FisherScore(), "gt")],
    ids=str,
)
def test_co_learning_starts_four_kernels(criterion, granularity):
    # beside them torch judges the two networks' costs: Fisher's mixtures are its own work
    assert started_by(la.CoLAD(la.PAA(), criterion, granularity))[0] == [*STARTS["rivals"], *STARTS["award"]]


@pytest.mark.usefixtures("_device")
def test_rows_that_share_priors_are_left_to_the_reference():
    assert started_by(la.CoLAD(la.PAA(shared="overlap")))[0] == []


class _Own(la.PAA):
    """An assigner of somebody else's: it runs the stages one by one."""


@pytest.mark.usefixtures("_device")
def test_stages_one_by_one_start_their_own_kernels():
    assert started_by(_Own()) == (STAGES, {"fill": 3, "clone": 1})


@pytest.mark.usefixtures("_device")
@pytest.mark.parametrize("name", CALLS)
def test_outputs_are_those_that_tracing_was_told(name):
    op, args = CALLS[name]
    with launches():
        found, want = OPS[op].fast["triton"][0](*args), OPS[op].fake(*args)
    seen = [(t.shape, t.dtype, t.device, t.is_contiguous()) for t in found]
    assert seen == [(t.shape, t.dtype, t.device, True) for t in want]


def test_no_output_shares_memory():
    for op, args in CALLS.values():
        given = {t.untyped_storage().data_ptr() for t in args if isinstance(t, torch.Tensor)}
        with launches():
            made = [t.untyped_storage().data_ptr() for t in OPS[op].fast["triton"][0](*args) if t.numel()]
        assert len(set(made)) == len(made)
        assert not given & set(made)


def _on_device(t):
    return torch.empty_strided(t.shape, t.stride(), dtype=t.dtype, device="cuda")


def refused(name, *changes, count=None):
    """Why the Triton path does not take a call, with some arguments changed, on fake device tensors."""
    op, args = CALLS[name]
    args = args[:count]
    with FakeTensorMode():
        args = [_on_device(t) if isinstance(t, torch.Tensor) else t for t in args]
        for place, change in changes:
            args[place] = change(args[place]) if callable(change) else change
        return OPS[op].refusal("triton", *args)


@pytest.mark.usefixtures("_device")
@pytest.mark.parametrize("name", CALLS)
def test_device_tensors_are_taken(name):
    assert refused(name) is None


@pytest.mark.usefixtures("_device")
@pytest.mark.parametrize("name", STARTS)
def test_the_first_arguments_alone_can_be_asked_about(name):
    for count in range(1, len(CALLS[name][1])):
        assert refused(name, count=count) is None


@pytest.mark.usefixtures("_device")
@pytest.mark.parametrize(
    ("name", "place", "change", "why"),
    [
        ("candidates", 17, True, "share"),
        ("candidates", 18, "softmax_logits", "softmax"),
        ("candidates", 11, 3, "dynamic k"),
        ("candidates", 10, 65, "topk = 65"),
        ("candidates", 9, [1] * 9, "9 levels"),
        ("candidates", 2, torch.Tensor.double, "float64"),
        ("paa", 15, True, "share"),
        ("paa", 16, "softmax_logits", "softmax"),
        ("paa", 10, 65, "topk = 65"),
        ("paa", 5, torch.Tensor.int, "int32"),
        ("paa, d", 10, 33, "33 choices on each of 8 levels"),
        ("rivals", 7, torch.Tensor.half, "another kind or dtype"),
        ("rivals", 10, torch.Tensor.double, "another kind or dtype"),
        ("rivals", 18, "probs", "another kind or dtype"),
        ("rivals", 9, lambda t: t[..., :4], "6 classes, the other 4"),
        ("rivals", 17, True, "share"),
        ("rivals", 12, 65, "topk = 65"),
        ("rivals", 11, [1] * 9, "9 levels"),
        ("rivals", 5, torch.Tensor.int, "int32"),
        ("award", 3, None, "share"),
        ("award", 0, torch.Tensor.int, "choices are torch.int32"),
        ("award", 1, torch.Tensor.int, "priors of lists are torch.int32"),
        ("award", 1, lambda t: t[..., :0], "no choices"),
        ("award", 1, lambda t: t.repeat(1, 1, 1, 10), "270 choices"),
        ("award", 2, torch.Tensor.double, "costs are torch.float64"),
        ("award", 3, torch.Tensor.long, "choosers are torch.int64"),
        ("award", 4, torch.Tensor.int, "reasons are torch.int32"),
        ("award", 5, torch.Tensor.half, "priors are torch.float16"),
        *REFUSED,
        ("match", 0, lambda t: t[:0], "no priors"),
        ("max_iou", 3, torch.Tensor.int, "int32"),
        ("settle", 0, torch.Tensor.half, "float16"),
        ("settle", 0, lambda t: t.new_empty(2, 1025), "1025"),
        ("resolve", 1, torch.Tensor.long, "int64"),
        ("resolve", 0, lambda t: t[:, :0], "no choices"),
    ],
)  # fmt: skip
def test_what_the_kernels_cannot_do_they_refuse(name, place, change, why):
    assert why in refused(name, (place, change))


def test_tensors_of_the_host_are_refused():
    assert not accelerator.INTERPRETED
    for op, args in CALLS.values():
        assert "the tensors are on cpu" in OPS[op].refusal("triton", *args)
        assert "unknown" in OPS[op].refusal("triton")


def test_without_triton_the_path_refuses(monkeypatch):
    monkeypatch.setattr(accelerator, "_installed", lambda: False)
    assert refused("settle") == "triton is not installed"


def test_an_old_device_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))
    accelerator._too_old.cache_clear()
    assert "compute capability 7.5; the kernels need 8.0" in refused("settle")
    accelerator._too_old.cache_clear()


def test_too_many_are_refused():
    assert accelerator.wrong_size(priors=accelerator.MOST) is None
    assert "536805377 priors" in accelerator.wrong_size(priors=accelerator.MOST + 1)
