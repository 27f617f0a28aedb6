"""Audits of three gloo processes, one of which sees no batch, add up to the audit of one."""

import os
import subprocess
import sys
from pathlib import Path

import torch

import labelassign as la
from tests.auditing.replica import COUNTS, agreement, report

ROOT = Path(la.__file__).parents[1]


def test_every_rank_has_the_report_of_all(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    script, ranks = Path(__file__).with_name("replica.py"), range(len(COUNTS))
    outputs = [tmp_path / f"{rank}.pt" for rank in ranks]
    commands = [
        [sys.executable, str(script), str(rank), str(len(COUNTS)), str(tmp_path / "store"), str(outputs[rank])]
        for rank in ranks
    ]
    processes = [subprocess.Popen(c, env=environment, stderr=subprocess.PIPE, text=True) for c in commands]
    errors = [p.communicate(timeout=300)[1] for p in processes]
    assert [p.returncode for p in processes] == [0] * len(COUNTS), errors
    whole = [found(ranks).to_dict() for found in (report, agreement)]
    assert [torch.load(path) for path in outputs] == [whole] * len(COUNTS)
    assert len(whole[0]["missing"]) == 4
    assert {row[0] for row in whole[0]["missing"]} > {0}


def test_alone_a_report_is_its_own_sum():
    alone = report([0])
    assert alone.reduce() is alone
