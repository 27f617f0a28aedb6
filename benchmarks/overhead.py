"""Where the time of a call goes that has nothing to do: one image without objects, part by part.

Each op is called again with the arguments that the whole call gave it; its entry names what of that is the way through
torch's dispatcher. What no part claims is the call's own Python.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import torch

import labelassign as la
from benchmarks import arms
from benchmarks.arms import Arm, Recorder, op_name
from benchmarks.workloads import WORKLOADS, Problem
from labelassign.assigners import inputs
from labelassign.ops.dispatch import OPS
from labelassign.ops.objects import objects

_CALLS = 20  # between two looks at the clock


def micros(call: Callable[[], object], rounds: int) -> float:
    """Median microseconds of one call."""
    found = []
    for _ in range(rounds + 1):
        begin = time.perf_counter()
        for _ in range(_CALLS):
            call()
        found.append((time.perf_counter() - begin) / _CALLS)
    return 1e6 * statistics.median(found[1:])


def _contexts() -> None:
    with torch.no_grad(), torch.autocast("cpu", enabled=False):
        pass


def _ops(call: Callable[[], object]) -> dict[str, tuple[Callable[[], object], Callable[[], object]]]:
    """Every op of a call as a user's code reaches it, and its body without the dispatcher."""
    with Recorder() as record:
        call()
    found = {}
    for number, (func, args) in enumerate(record.calls, 1):
        body = OPS[op_name(func)].run
        found[f"op {number}: {op_name(func)}"] = (lambda f=func, a=args: f(*a), lambda b=body, a=args: b(*a))
    return found


def parts(problem: Problem, assigner: la.Assigner, networks: Mapping[str, Any], rounds: int) -> dict[str, Any]:
    """Microseconds of the whole call and of its parts, in their order."""
    priors, gt = problem.priors, problem.gt
    mine, teacher = networks.get("predictions"), networks.get("teacher")

    def whole() -> la.Assignment:
        return assigner(priors, gt, mine, teacher=teacher)

    answer = whole()
    fields = {name: getattr(answer, name) for name in answer.__dataclass_fields__}
    fixed: dict[str, Callable[[], object]] = {
        "checks of the arguments": lambda: inputs.check("bench", assigner.needs, priors, gt, mine, teacher, None),
        "no_grad and autocast off": _contexts,
        "one row of padding": lambda: gt.pad_to(1),
        "unpacking of the objects": lambda: objects(gt, mine),
        "the Assignment record": lambda: la.Assignment(**fields),
    }
    found = {name: {"us": micros(call, rounds)} for name, call in fixed.items()}
    for name, (through, body) in _ops(whole).items():
        total = micros(through, rounds)
        found[name] = {"us": total, "of which dispatch": max(0.0, total - micros(body, rounds))}
    total = micros(whole, rounds)
    found["the rest of the call's Python"] = {"us": total - sum(part["us"] for part in found.values())}
    rounded = {name: {key: round(value, 2) for key, value in part.items()} for name, part in found.items()}
    return {"total_us": round(total, 2), "parts": rounded}


def measure(rounds: int) -> dict[str, Any]:
    """The parts of each method on one image of 22,400 priors and no object, by the paths that the package chooses."""
    problem = Problem(next(w for w in WORKLOADS if w.name == "empty"))
    mine = problem.predictions(problem.student)
    methods = {
        "MaxIoU": (la.MaxIoU.mmdet_retinanet(), {}),
        "ATSS": (la.ATSS.mmdet(), {}),
        "PAA": (la.PAA.mmdet(), {"predictions": mine}),
        "LAD": (la.LAD(la.PAA.mmdet()), {"teacher": mine}),
    }
    gc.collect()
    gc.disable()
    try:
        with torch.no_grad(), arms.restored():
            Arm("", dict).enter()  # no path is forced
            return {name: parts(problem, *given, rounds) for name, given in methods.items()}
    finally:
        gc.enable()
