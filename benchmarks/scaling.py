"""What the second thread brings: the same batch with one thread and with several, in turns."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import torch

from benchmarks import arms, timing
from benchmarks.cases import check
from benchmarks.methods import METHODS
from benchmarks.workloads import WORKLOADS, Problem

BATCH = "coco_800x1333_b16"
NAMES = ("PAA", "LAD", "CoLAD", "MaxIoU, mmdet's rules", "ATSS")


def measure(rounds: int, threads: int, only: str = "") -> list[dict[str, Any]]:
    """One and `threads` threads for every path of each method; both must give the reference's answer."""
    found = []
    for name in NAMES:
        if only.lower() in f"{name}, {BATCH}".lower():
            problem = Problem(next(w for w in WORKLOADS if w.name == BATCH))
            with torch.no_grad(), arms.restored():
                found += _one(name, problem, rounds, threads)
    return found


def _one(name: str, problem: Problem, rounds: int, threads: int) -> list[dict[str, Any]]:
    mine, _ = arms.ours(METHODS[name].ours(problem))
    counts = (1, threads)
    both = [replace(arm, name=f"{arm.name}@{n}", threads=n) for arm in mine for n in counts]
    allowed, gates, _ = check(METHODS[name], problem, both, mine[0].once())
    red = {each["arm"] for each in gates if not each["green"]}
    times = timing.interleaved(allowed, rounds)
    found = []
    for arm in mine:
        pair = [f"{arm.name}@{n}" for n in counts]
        if not red & set(pair):
            one, many = (times[each] for each in pair)
            row = {"method": name, "workload": BATCH, "arm": arm.name, "threads": threads}
            row |= {"one": asdict(one), "many": asdict(many), "gain": round(one.median / many.median, 3)}
            found.append(row)
    return found
