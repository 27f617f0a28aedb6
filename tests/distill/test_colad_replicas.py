"""CoLAD over two gloo processes: all choose alike, also where one of them sees no object."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import labelassign as la
from tests.distill.colad_replica import COUNTS, CRITERIA, assign, inputs, joined

ROOT = Path(la.__file__).parents[1]
CASES = [(name, counts) for name in CRITERIA for counts in COUNTS]


@pytest.fixture(scope="module")
def replicas(tmp_path_factory):
    folder = tmp_path_factory.mktemp("colad")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    script, store = Path(__file__).with_name("colad_replica.py"), folder / "rendezvous"
    outputs = [folder / f"{rank}.pt" for rank in range(2)]
    commands = [[sys.executable, str(script), str(r), "2", str(store), str(outputs[r])] for r in range(2)]
    processes = [subprocess.Popen(c, env=environment, stderr=subprocess.PIPE, text=True) for c in commands]
    errors = [p.communicate(timeout=300)[1] for p in processes]
    assert [p.returncode for p in processes] == [0, 0], errors
    return [torch.load(path) for path in outputs]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_all_processes_choose_alike(replicas, case):
    first, second = (replica[case] for replica in replicas)
    for name in ("student_rho", "teacher_rho", "units_decided"):
        assert torch.equal(first[name], second[name]), name
    counts = COUNTS[case[1]]
    shares = {float(r["teacher_share"]) for r, c in zip((first, second), counts, strict=True) if sum(c)}
    assert len(shares) <= 1
    assert shares <= {0.0, 1.0}


@pytest.mark.parametrize("case", [c for c in CASES if c[0] != "fisher"], ids=str)
def test_two_processes_decide_as_one_with_the_whole_batch(replicas, case):
    name, counts = case
    whole = assign(CRITERIA[name], joined(COUNTS[counts]))
    rows = sum(COUNTS[counts][0])
    second = replicas[1][case]["gt_index"]
    both = torch.cat([replicas[0][case]["gt_index"], torch.where(second >= 0, second + rows, second)])
    assert torch.equal(both, whole["gt_index"])
    # Σ over all replicas is the mean times their number, clamped after the mean
    total = (whole["gt_index"] >= 0).sum()
    for replica in replicas:
        assert replica[case]["normalizer"] == (total / 2).clamp(min=1)


def test_alone_the_two_processes_would_have_chosen_differently():
    shares = [float(assign(la.StdMean(), inputs(c, r))["teacher_share"]) for r, c in enumerate(COUNTS["both"])]
    assert sorted(shares) == [0.0, 1.0]
