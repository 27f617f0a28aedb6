"""Which methods are measured on which workloads, and one comparison: gates first, then times."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from benchmarks import arms, rows, timing
from benchmarks.arms import Arm
from benchmarks.calls import compiled
from benchmarks.gates import Verdict
from benchmarks.method import Method
from benchmarks.methods import METHODS
from benchmarks.workloads import COCO, PRIORS, WORKLOADS, Problem, Workload
from tests.parity.scenes import CLASSES

# Where growth is the question, or where a peer takes minutes, these stand for the others.
_FEW = ("PAA", "MaxIoU, mmdet's rules", "MaxIoU, torchvision's rules", "ATSS")


@dataclass(frozen=True)
class Case:
    """One method on one workload."""

    method: Method
    workload: Workload

    @property
    def name(self) -> str:
        """As `--only` searches it."""
        return f"{self.method.name}, {self.workload.title}"

    @property
    def compiles(self) -> bool:
        """Compiling takes longer than measuring: single images show what it gains."""
        return self.workload.name == "empty" or (self.workload.name == COCO and self.workload.objects <= 400)

    @property
    def quick(self) -> bool:
        """Whether `--quick` takes it."""
        return self.workload.name == COCO and self.workload.objects == 20


def _methods(workload: Workload) -> Iterator[Method]:
    for method in METHODS.values():
        few = workload.name == PRIORS or workload.objects >= 1000
        if few and method.name not in _FEW:
            continue
        if method.workloads and workload.name not in method.workloads:
            continue
        if workload.objects or not method.needs_objects:
            yield method


def cases(only: str = "", quick: bool = False) -> Iterator[Case]:
    """The comparisons whose name contains `only`; `quick`: 20 objects in one image."""
    for workload in WORKLOADS:
        for method in _methods(workload):
            case = Case(method, workload)
            if only.lower() in case.name.lower() and (not quick or case.quick):
                yield case


def _gate(arm: str, against: str, verdict: Verdict) -> dict[str, Any]:
    return {"arm": arm, "against": against, "green": verdict.green, **asdict(verdict)}


def check(
    method: Method, problem: Problem, sides: Sequence[Arm], want: Any = None, read: Callable[[Any], Any] = lambda x: x
) -> tuple[list[Arm], list[dict[str, Any]], dict[str, str]]:
    """The arms that may be timed, every gate, and what peers raised instead of an answer: these have no figure.

    A path of ours that differs from the reference is left out alone. A peer that differs from the reference makes the
    whole comparison void: then nobody knows what the figures would compare. `want` is the reference's answer if it was
    found elsewhere, `read` brings an answer to where the gates look at it.
    """
    gates, allowed, failed, void = [], [], {}, False
    if want is None:
        base = next(arm for arm in sides if arm.name == "reference")
        want, allowed, sides = base.once(), [base], [arm for arm in sides if arm is not base]
    for arm in sides:
        try:
            answer = read(arm.once())
        except (ValueError, RuntimeError, MemoryError) as error:
            if not arm.peer:
                raise
            failed[arm.name] = f"raises {type(error).__name__}: {str(error).strip().splitlines()[0]}"
            continue
        verdict = method.gate(problem, want, answer) if arm.peer else method.same(want, answer)
        gates.append(_gate(arm.name, "reference", verdict))
        void |= arm.peer and not verdict.green
        if verdict.green:
            allowed.append(arm)
    return ([] if void else allowed), gates, failed


def sides(case: Case, problem: Problem, compile_too: bool) -> tuple[list[Arm], dict[str, str]]:
    """Every arm of ours that runs and every peer; why a path does not run."""
    call = case.method.ours(problem)
    mine, refused = arms.ours(call, compiled(call) if compile_too else None)
    return [*mine, *case.method.peers(problem)], refused


def measure(case: Case, rounds: int, *, compile_too: bool = True, budget: float = 8.0) -> dict[str, Any]:
    """Gates, times and ratio of one comparison, as the results file has them."""
    problem = Problem(case.workload)
    with torch.no_grad(), arms.restored():
        both, refused = sides(case, problem, compile_too and case.compiles)
        allowed, gates, failed = check(case.method, problem, both)
        times = timing.interleaved(allowed, rounds, budget) if allowed else {}
    found = {arm.name: rows.of_arm(arm, times[arm.name]) for arm in allowed}
    return describe(case, problem.priors.count, refused | failed, gates, found)


def describe(
    case: Case, priors: int, refused: dict[str, str], gates: list[dict[str, Any]], found: dict[str, Any]
) -> dict[str, Any]:
    """One comparison as the results file has it."""
    row = {
        "workload": case.workload.name,
        "method": case.method.name,
        "about": case.method.about,
        "images": case.workload.images,
        "objects": case.workload.objects,
        "priors": priors,
        "classes": CLASSES,
        "refused": refused,
        "gates": gates,
        "arms": found,
    }
    return row | rows.ratio(found)
