"""The arithmetic floor of PAA on this machine: what the cost of every candidate takes at full speed, and no less.

It counts the focal terms of all classes of all candidates in float32. A bound that skips terms can fall below it;
terms in float64, which decide alike on every path, run at half its speed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

import labelassign as la
from benchmarks.workloads import COCO, WORKLOADS, Problem
from tests.parity.scenes import CLASSES

FLOP_PER_TERM = 67.5  # of one focal term: two exponentials or logarithms by polynomial, a dozen other operations
_SIDE, _BYTES = 1536, 1 << 28


def _best(call: Callable[[], object], rounds: int) -> float:
    """Seconds of the lower quartile: a floor is what the machine can do when nobody disturbs it."""
    call()
    seconds = []
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - begin)
    return statistics.quantiles(seconds, n=4, method="inclusive")[0] if len(seconds) > 1 else seconds[0]


def _matmul(dtype: torch.dtype, rounds: int) -> float:
    """GFLOP/s of a product of two square matrices."""
    a, b = (torch.rand(_SIDE, _SIDE, dtype=dtype) for _ in range(2))
    out = torch.empty_like(a)
    return 2e-9 * _SIDE**3 / _best(lambda: torch.mm(a, b, out=out), rounds)


def _bandwidth(rounds: int) -> float:
    """GB/s of reading what is in no cache."""
    data = torch.ones(_BYTES // 4)
    return 1e-9 * _BYTES / _best(lambda: data.sum(), rounds)


def measure(rounds: int) -> dict[str, Any]:
    """Speeds of the machine, and from them the floor in milliseconds for 20 objects in one image."""
    problem = Problem(next(w for w in WORKLOADS if w.name == COCO and w.objects == 20))
    with torch.no_grad():
        found = la.PAA.mmdet()._propose(problem.priors, problem.gt, problem.predictions(problem.student))
        speeds = {"sgemm_gflops": _matmul(torch.float32, rounds), "dgemm_gflops": _matmul(torch.float64, rounds)}
        speeds["read_gbs"] = _bandwidth(rounds)
    candidates = int(found.count.sum())
    flop = candidates * CLASSES * FLOP_PER_TERM
    # read: logits and box of each candidate, every prior; written: index, quality, target and two weights of each prior
    moved = candidates * 4 * (CLASSES + 4) + problem.priors.count * (16 + 8 + 4 * 4)
    return {
        **{name: round(value, 2) for name, value in speeds.items()},
        "threads": torch.get_num_threads(),
        "candidates": candidates,
        "mflop": round(flop * 1e-6, 2),
        "mbytes": round(moved * 1e-6, 2),
        "arithmetic_ms": round(flop / speeds["sgemm_gflops"] * 1e-6, 4),
        "arithmetic_float64_ms": round(flop / speeds["dgemm_gflops"] * 1e-6, 4),
        "memory_ms": round(moved / speeds["read_gbs"] * 1e-6, 4),
    }
