"""A comparison whose answers differ has no figure."""

from dataclasses import replace

import pytest
import torch

import labelassign as la
from benchmarks import arms, cases, gates, timing
from benchmarks.arms import Arm
from benchmarks.calls import samples
from benchmarks.methods import METHODS
from benchmarks.workloads import WORKLOADS, Problem, Workload
from labelassign.ops.dispatch import OPS

SMALL = Workload("small", (320, 384), (8, 16, 32, 64, 128), (5, 0, 3))


@pytest.fixture(autouse=True)
def _as_it_was():
    with torch.no_grad(), arms.restored():
        yield


@pytest.fixture
def only_reference(monkeypatch):
    for op in OPS.values():
        for path in list(op.fast):
            monkeypatch.delitem(op.fast, path)


def flipped(answer):
    """The same assignment with the owner of one positive prior taken away."""
    index = answer.gt_index.clone()
    image, prior = (index >= 0).nonzero()[0]
    index[image, prior] = -1
    return replace(answer, gt_index=index)


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_every_arm_gives_the_reference_s_answer(method):
    problem = Problem(SMALL)
    both, refused = cases.sides(cases.Case(method, SMALL), problem, compile_too=False)
    allowed, found, failed = cases.check(method, problem, both)
    assert failed == {}
    assert {arm.name for arm in allowed} == {arm.name for arm in both}
    assert all(gate["green"] for gate in found)
    assert "triton" in refused


def test_a_path_appears_by_itself_and_is_named_by_what_ran(monkeypatch, only_reference):
    call = METHODS["CoLAD"].ours(Problem(SMALL))
    assert [arm.name for arm in arms.ours(call)[0]] == ["reference"]
    assert "no native implementation" in arms.ours(call)[1]["native"]
    ops = ("rivals", "mixture", "classify", "award")
    for name in ops[:-1]:
        monkeypatch.setitem(OPS[name].fast, "native", (OPS[name].reference, lambda *_: None))
    found, refused = arms.ours(call)
    assert [arm.name for arm in found] == ["reference", "mixed"]
    assert "award" in refused["native"]
    monkeypatch.setitem(OPS["award"].fast, "native", (OPS["award"].reference, lambda *_: None))
    found, _ = arms.ours(call)
    assert [(arm.name, arm.forced) for arm in found] == [("reference", "reference"), ("native", "")]
    assert dict(found[1].paths) == dict.fromkeys(ops, "native")


def test_a_lying_path_has_no_figure_and_the_others_have(monkeypatch, only_reference):
    honest = OPS["max_iou"].reference

    def lies(*args):
        index, *rest = honest(*args)
        return index.roll(1, dims=1), *rest

    monkeypatch.setitem(OPS["max_iou"].fast, "native", (lies, lambda *_: None))
    row = cases.measure(cases.Case(METHODS["MaxIoU, mmdet's rules"], SMALL), 1)
    assert sorted(row["arms"]) == ["mmdet", "reference"]
    assert {gate["arm"]: gate["green"] for gate in row["gates"]} == {"native": False, "mmdet": True}
    assert row["fastest_ours"] == "reference"


def test_a_peer_that_differs_makes_the_comparison_void(monkeypatch):
    method = METHODS["MaxIoU, torchvision's rules"]

    def wrong(problem):
        (peer,) = method.peers(problem)

        def call():
            rows = peer.call()
            rows[0][0] = 3
            return rows

        return [replace(peer, call=call)]

    monkeypatch.setattr(timing, "interleaved", lambda *_: pytest.fail("timed in spite of a red gate"))
    row = cases.measure(cases.Case(replace(method, peers=wrong), SMALL), 1)
    assert (row["arms"], row["ratio"]) == ({}, None)
    bad = next(gate for gate in row["gates"] if gate["arm"] == "torchvision")
    assert (bad["green"], bad["differing"], bad["explained"]) == (False, 1, 0)


def test_a_peer_that_raises_is_named_and_ours_has_its_figure():
    def broken():
        raise ValueError("components collapsed\nat length")

    method = replace(METHODS["ATSS"], peers=lambda _: [Arm("mmdet", broken, peer=True)])
    row = cases.measure(cases.Case(method, SMALL), 1)
    assert row["refused"]["mmdet"] == "raises ValueError: components collapsed"
    assert (row["fastest_peer"], row["ratio"]) == (None, None)
    assert row["arms"]["reference"]["median"] > 0


def test_a_path_of_ours_that_raises_is_no_result():
    def broken():
        raise RuntimeError("lost")

    method = METHODS["ATSS"]
    both = [Arm("reference", method.ours(Problem(SMALL))), Arm("native", broken)]
    with pytest.raises(RuntimeError, match="lost"):
        cases.check(method, Problem(SMALL), both)


@pytest.mark.parametrize("name", ["PAA", "LAD", "ATSS"])
def test_a_wrong_owner_has_no_excuse(name):
    problem, method = Problem(SMALL), METHODS[name]
    ours = method.ours(problem)()
    (peer,) = method.peers(problem)
    assert method.gate(problem, ours, peer.call()).green
    verdict = method.gate(problem, flipped(ours), peer.call())
    assert (verdict.differing, verdict.explained) == (1, 0)


def test_a_difference_of_float32_mixtures_is_traced_to_them():
    """mmdet's mixture in float32 takes another answer for one prior of this batch; in float64 it takes ours."""
    problem = Problem(next(w for w in WORKLOADS if w.name == "crowd_640" and w.objects == 400))
    method = METHODS["PAA"]
    (peer,) = method.peers(problem)
    verdict = method.gate(problem, method.ours(problem)(), peer.call())
    assert 0 < verdict.differing == verdict.explained < 20


def test_a_wrong_component_or_density_has_no_excuse():
    problem, method = Problem(SMALL), METHODS["mixture per object"]
    fit, component, score = method.ours(problem)()
    peer = method.peers(problem)[1].call()
    assert method.gate(problem, (fit, component, score), peer).green
    assert len(samples(problem)[0]) == len(peer)
    turned = component.clone()
    turned[0, 0] = 1 - turned[0, 0]
    assert method.gate(problem, (fit, turned, score), peer).differing == 1
    raised = score.clone()
    raised[0, 0] += 1e-3
    assert not method.gate(problem, (fit, component, raised), peer).green
    assert gates.same_mixture((fit, component, score), (fit, turned, score)).differing == 1


def test_paths_of_ours_may_differ_in_nothing():
    answer = METHODS["PAA"].ours(Problem(SMALL))()
    assert gates.same_assignment(answer, answer).green
    assert not gates.same_assignment(answer, flipped(answer)).green
    for name in ("quality", "cls_weight", "loc_weight", "cls_target"):
        assert not gates.same_assignment(answer, replace(answer, **{name: getattr(answer, name) + 0.01})).green
    assert not gates.same_assignment(answer, replace(answer, reason=answer.reason + 1)).green
    assert isinstance(answer, la.Assignment)


def test_an_arm_sets_its_path_and_threads_and_leaves_none_behind(monkeypatch):
    monkeypatch.setenv(arms.FORCED, "native")
    before = torch.get_num_threads()
    with arms.restored():
        assert Arm("reference", lambda: arms.os.environ[arms.FORCED], forced="reference").once() == "reference"
        assert Arm("chosen", lambda: arms.os.environ.get(arms.FORCED)).once() is None
        Arm("two", dict, threads=before + 1).enter()
        assert torch.get_num_threads() == before + 1
    assert (arms.os.environ[arms.FORCED], torch.get_num_threads()) == ("native", before)
