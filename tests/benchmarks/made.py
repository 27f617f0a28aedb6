"""A results file made by hand: every section filled, one loss, one red gate."""

from __future__ import annotations

from typing import Any

from benchmarks import targets
from benchmarks.memory import NAMES
from benchmarks.workloads import COCO, PRIORS

MACHINE = {
    "cpu": "a CPU",
    "vector_instructions": "AVX2",
    "cores": 2,
    "caches": {"L1 data": "32K"},
    "memory_gib": 16.0,
    "gpu": None,
    "load_before": [0.0, 0.0, 0.0],
    "load_after": [1.0, 1.0, 1.0],
    "threads": 2,
    "omp_wait_policy": "passive",
    "platform": "Linux",
    "python": "3.11.7",
    "packages": {"torch": "2.14.1", "ultralytics": None},
    "commit": "0123456789abcdef",
    "dirty": False,
    "date": "2026-01-02T03:04:05+00:00",
}


def times(median: float) -> dict[str, Any]:
    return {"median": median, "low": 0.9 * median, "high": 1.1 * median, "first": 1.5 * median, "calls": 9}


def arm(median: float, peer: bool = False) -> dict[str, Any]:
    paths = {} if peer else {"max_iou": "native"}
    return times(median) | {"peer": peer, "note": "", "paths": paths}


def gate(name: str, differing: int = 0) -> dict[str, Any]:
    rule = {"against": "reference", "of": 22400, "rule": "every prior"}
    return {"arm": name, "green": not differing, "differing": differing, "explained": 0} | rule


def case(method: str, objects: int, ours: float, peer: float, workload: str = COCO, priors: int = 22400) -> dict:
    arms = {"reference": arm(10 * ours), "native": arm(ours), "mmdet": arm(peer, True)}
    best = {"fastest_ours": "native", "fastest_peer": "mmdet", "ratio": peer / ours}
    sizes = {"images": 1, "objects": objects, "priors": priors, "classes": 80}
    row = {"workload": workload, "method": method, "about": "all of it", "refused": {"triton": "no GPU"}}
    return row | sizes | {"gates": [gate("native"), gate("mmdet")], "arms": arms} | best


def red_case() -> dict[str, Any]:
    row = case("LAD", 20, 1.0, 2.0) | {"gates": [gate("mmdet", 7)], "arms": {}}
    return row | {"fastest_ours": None, "fastest_peer": None, "ratio": None}


def content() -> dict[str, Any]:
    methods = [*NAMES, "CoLAD", "mixture per object"]
    cases = [case(m, n, 0.01 * n, 3.0 * n) for m in methods for n in (20, 100, 400)]
    failing = case("PAA", 5000, 1.0, 2.0)
    del failing["arms"]["mmdet"]
    failing |= {"refused": {"mmdet": "raises ValueError: components collapsed."}, "fastest_peer": None, "ratio": None}
    cases += [failing, case("ATSS", 0, 1.0, 0.25, "empty"), red_case(), case("PAA", 100, 4.0, 900.0, PRIORS, 89600)]
    memory = [
        {"method": m, "workload": COCO, "objects": n, "arm": a, "peak_mib": s * n, "later_mib": 0.0, "output_mib": 1.0}
        for m in NAMES
        for n in (20, 400)
        for a, s in (("native", 0.01), ("mmdet", 1.0))
    ]
    memory.append({"method": "PAA", "workload": COCO, "objects": 5000, "arm": "mmdet", "failed": "MemoryError"})
    scaling = {"method": "PAA", "workload": "coco_800x1333_b16", "arm": "native", "threads": 2, "gain": 1.75}
    floor = dict.fromkeys(("sgemm_gflops", "dgemm_gflops", "read_gbs", "mflop", "mbytes", "memory_ms"), 20.0)
    floor |= {"threads": 2, "candidates": 5000, "arithmetic_ms": 0.25, "arithmetic_float64_ms": 0.5}
    made = {"version": 1, "kind": "cpu", "unit": "ms per call", "rounds": 9, "complete": True, "machine": dict(MACHINE)}
    made |= {"cases": cases, "memory": memory, "floor": floor}
    made["scaling"] = [scaling | {"one": times(3.5), "many": times(2.0)}]
    parts = {"op 1: atss": {"us": 60.0, "of which dispatch": 9.0}, "the rest of the call's Python": {"us": 40.0}}
    made["overhead"] = {"ATSS": {"total_us": 100.0, "parts": parts}}
    return made | {"targets": targets.judge(made)}
