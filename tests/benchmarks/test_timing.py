"""Arms take turns; times are medians with quartiles."""

import os
import subprocess
import sys
import time

import pytest
import torch

from benchmarks import cases, floor, memory, overhead, scaling, timing
from benchmarks.arms import Arm
from benchmarks.methods import METHODS
from benchmarks.workloads import WORKLOADS, Workload


def test_arms_take_turns():
    calls = []

    def slow(letter):
        time.sleep(0.005)
        calls.append(letter)

    pair = [Arm("ours", lambda: slow("o")), Arm("peer", lambda: slow("p"), peer=True)]
    found = timing.interleaved(pair, rounds=4)
    warm, rest = calls[:6], "".join(calls[6:])
    assert warm == ["o"] * 3 + ["p"] * 3
    assert rest == "oopp" + "ppoo" + "oopp" + "ppoo"
    assert all(0 < t.low <= t.median <= t.high for t in found.values())
    assert {t.calls for t in found.values()} == {4}


def test_a_slow_arm_is_left_out_of_rounds_but_not_of_three(monkeypatch):
    monkeypatch.setattr(timing, "WARM", 0.0)
    took = {"quick": 0.001, "slow": 10.0}
    arms = [Arm(name, lambda name=name: took[name]) for name in took]
    found = timing.interleaved(arms, rounds=9, budget=8.0, stopwatch=lambda call: call())
    assert found["slow"].calls == 3
    assert found["quick"].calls == 9
    assert found["slow"].median == 10_000.0


def test_a_quick_arm_is_called_often_and_its_first_call_kept_apart():
    values = iter([0.001, 0.001, 0.001] + [0.005, 0.001, 0.001, 0.001, 0.001] * 3)
    found = timing.interleaved([Arm("quick", lambda: next(values))], rounds=3, stopwatch=lambda call: call())["quick"]
    assert (found.median, found.first, found.calls) == (1.0, 5.0, 12)


def test_median_and_quartiles_in_milliseconds():
    found = timing.Times.of([0.005, 0.001, 0.002, 0.003, 0.004], [0.007, 0.009, 0.008])
    assert found == timing.Times(median=3.0, low=2.0, high=4.0, first=8.0, calls=5)
    assert timing.Times.of([0.002]) == timing.Times(2.0, 2.0, 2.0, 2.0, 1)


_PEAKS = """
import torch
from benchmarks import memory

for mebibytes in (96, 32):

    def call(size=mebibytes):
        bytearray(b"x") * (size << 20)
        return torch.ones(8 << 18)

    print(*memory.peak(call))
"""


def test_peak_sees_what_a_call_took_and_gave_back():
    """Also what torch does not allocate; the answer is not counted, nor what an earlier call took.

    In a process of its own, as every figure: glibc keeps freed memory as it likes in one that ran other tests.
    """
    done = subprocess.run(
        [sys.executable, "-c", _PEAKS],
        cwd=memory.ROOT,
        env=os.environ | memory.ENVIRONMENT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = [[int(word) / (1 << 20) for word in line.split()] for line in done.stdout.splitlines()]
    assert [out for _, out in found] == [8, 8]
    assert [peak for peak, _ in found] == pytest.approx([88, 24], abs=2)


def test_the_answer_s_storages_count_once():
    base = torch.zeros(1000)
    assert memory.size({"a": base, "b": [base[:10], (base.view(10, 100),)]}) == 4000


def test_memory_of_one_arm_in_its_own_process(monkeypatch):
    found = memory.measure_one(METHODS["MaxIoU, torchvision's rules"], "torchvision", WORKLOADS[0], 1)
    matrix = 20 * 22400 * 4 / 2**20
    assert matrix < found["peak_mib"] < 40 * matrix
    assert "failed" in memory.measure_one(METHODS["ATSS"], "nobody", WORKLOADS[0], 1)


def test_overhead_is_the_sum_of_its_parts():
    found = overhead.measure(2)
    assert set(found) == {"MaxIoU", "ATSS", "PAA", "LAD"}
    for each in found.values():
        assert sum(part["us"] for part in each["parts"].values()) == pytest.approx(each["total_us"], abs=0.2)
    assert [name for name in found["PAA"]["parts"] if name.startswith("op")] == ["op 1: paa"]


def test_the_floor_counts_the_candidates_of_20_objects(monkeypatch):
    monkeypatch.setattr(floor, "_SIDE", 128)
    monkeypatch.setattr(floor, "_BYTES", 1 << 20)
    found = floor.measure(1)
    assert 2000 < found["candidates"] < 10000
    assert found["mflop"] == pytest.approx(found["candidates"] * 80 * 67.5e-6, abs=0.01)
    assert found["arithmetic_ms"] == pytest.approx(found["mflop"] / found["sgemm_gflops"], rel=0.01)


def test_threads_are_compared_in_turns(monkeypatch):
    small = Workload(scaling.BATCH, (256, 256), (8, 16, 32), (2, 1))
    monkeypatch.setattr(scaling, "WORKLOADS", (small,))
    rows = scaling.measure(1, 2, "ATSS")
    assert {row["method"] for row in rows} == {"ATSS"}
    assert "reference" in {row["arm"] for row in rows}
    assert all(row["gain"] > 0 for row in rows)


def test_the_target_s_workload_is_what_it_says():
    found = {case.name for case in cases.cases()}
    wanted = ("PAA", "MaxIoU, mmdet's rules", "MaxIoU, torchvision's rules", "ATSS", "mixture per object")
    assert found >= {f"{name}, coco_800x1333_b1, {n} objects" for name in wanted for n in (20, 100, 400)}
    priors = {w.name: sum(-(-w.size[0] // s) * -(-w.size[1] // s) for s in w.strides) for w in WORKLOADS}
    assert (priors["coco_800x1333_b1"], priors["yolo_640_b16"]) == (22400, 8400)
    assert {w.name: w.images for w in WORKLOADS if "b16" in w.name} == {"coco_800x1333_b16": 16, "yolo_640_b16": 16}
    assert sorted(w.objects for w in WORKLOADS if w.name == "crowd_640") == [400, 5000]
    assert [case.workload.objects for case in cases.cases(quick=True)] == [20] * 15
