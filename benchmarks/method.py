"""What a method under benchmark is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks import gates
from benchmarks.arms import Arm
from benchmarks.calls import Call
from benchmarks.gates import Verdict
from benchmarks.workloads import Problem

Gate = Callable[[Problem, Any, Any], Verdict]


@dataclass(frozen=True)
class Method:
    """One method under benchmark.

    Arguments:
        name: as tables and `--only` have it.
        ours: from a problem to the call that is timed.
        peers: from a problem to the peers' arms.
        gate: compares our answer with a peer's, both as their calls return them.
        same: compares two answers of ours.
        needs_objects: whether a batch without objects is no question for it.
        about: what exactly is timed.
        workloads: the names of those that it is measured on; none: all.
    """

    name: str
    ours: Callable[[Problem], Call]
    peers: Callable[[Problem], list[Arm]]
    gate: Gate
    about: str
    same: Callable[[Any, Any], Verdict] = gates.same_assignment
    needs_objects: bool = False
    workloads: tuple[str, ...] = ()
