"""One detector on both sides: equal losses first, then whole steps and the loss part, in turns."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from statistics import median
from typing import Any

from benchmarks.adapters.meter import Meter, Spent
from benchmarks.adapters.replay import heard, repeating
from benchmarks.adapters.subject import Subject, Trainee, handles
from benchmarks.timing import Times

GATE_STEPS = 3
TOLERANCE = 1e-5  # of the loss, or of 1 where that is more
LEAST = 5  # rounds
MOST = 80


def _rounds(seconds: float, budget: float, most: int) -> int:
    """How often something that takes so long may run."""
    return max(min(LEAST, most), min(most, int(budget / max(seconds, 1e-9))))


@contextmanager
def _no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _turns(calls: Sequence[Callable[[], Spent]], rounds: int) -> list[list[Spent]]:
    """Each call once a round, another one first in every round."""
    found: list[list[Spent]] = [[] for _ in calls]
    with _no_collection():
        for each in range(rounds):
            order = range(len(calls)) if each % 2 == 0 else reversed(range(len(calls)))
            for i in order:
                found[i].append(calls[i]())
    return found


def gate(stock: Trainee, ours: Trainee) -> dict[str, Any]:
    """Whether both lose the same in the first steps of training."""
    pairs = [(stock.step(), ours.step()) for _ in range(GATE_STEPS)]
    worst = max(abs(a - b) / max(1.0, abs(a)) for a, b in pairs)
    return {"steps": GATE_STEPS, "difference": worst, "tolerance": TOLERANCE, "green": worst <= TOLERANCE}


def _times(spent: Sequence[Spent], kind: str) -> dict[str, Any]:
    times = asdict(Times.of([getattr(each, kind) for each in spent]))
    return {name: times[name] for name in ("median", "low", "high", "calls")}


def _both(spent: Sequence[Spent]) -> dict[str, Any]:
    return {"cpu": _times(spent, "cpu"), "wall": _times(spent, "wall")}


def steps(stock: Trainee, ours: Trainee, budget: float, most: int) -> dict[str, Any]:
    """Whole steps of training."""
    meter = Meter()
    once = meter.of(stock.step).wall + meter.of(ours.step).wall
    found = _turns([lambda: meter.of(stock.step), lambda: meter.of(ours.step)], _rounds(once, budget, most))
    first, second = (median(each.cpu for each in side) for side in found)
    return {"stock": _both(found[0]), "ours": _both(found[1]), "ratio": round(first / second, 3)}


def parts(stock: Trainee, ours: Trainee, handle: Any, budget: float, most: int) -> dict[str, Any]:
    """The loss part, from answers of one network that both sides get, and what of it is assignment."""
    answers = heard(stock.network, stock.forward)
    first = Meter(stock.assigning, stock.losing, stock.without)
    second = Meter([(each, "assigner") for each in handles(handle)], ours.losing)
    with repeating(stock.network, answers), repeating(ours.network, answers), first.watching(), second.watching():
        calls = [lambda: first.of(stock.forward), lambda: second.of(ours.forward)]
        once = sum(call().wall for call in calls + calls) / 2
        theirs, mine = _turns(calls, _rounds(once, budget, most))
    assigning = {"stock": _times(theirs, "assigning"), "ours": _times(mine, "assigning")}
    more = sorted(b.rest - a.rest for a, b in zip(theirs, mine, strict=True))
    return {
        "loss": {"stock": _both(theirs), "ours": _both(mine)},
        "assignment": assigning,
        "overhead": _overhead(more, assigning["stock"]["median"]),
    }


def _overhead(more: Sequence[float], assigning: float) -> dict[str, float]:
    """Median of what ours takes more outside of assignment, with the interval that holds it 95 times of 100."""
    half = 0.98 * len(more) ** 0.5  # of a binomial distribution, in ranks
    low, high = int(max(0, len(more) / 2 - half)), int(min(len(more) - 1, len(more) / 2 + half))
    found = {"median": median(more), "low": more[low], "high": more[high]}
    times = {name: round(1e3 * value, 5) for name, value in found.items()}
    return times | {f"share_{name}": round(value / assigning, 4) for name, value in times.items()}


def measure(subject: Subject, objects: int, side: int, budget: float, most: int) -> dict[str, Any]:
    """All of one detector, as the results file has it; without figures if the losses differ."""
    stock, ours = subject.make(side, objects), subject.make(side, objects)
    handle = ours.attach(subject.rule)
    ours.step()
    last = handle.last
    found: dict[str, Any] = {"name": subject.name, "package": subject.package, "rule": repr(subject.rule)}
    found |= {"side": side, "objects": objects, "images": len(last.gt_index), "priors": last.gt_index.shape[1]}
    found |= dict.fromkeys(("failed", "gate", "step", "loss", "assignment", "overhead"))
    try:
        stock.step()
        found["gate"] = gate(stock, ours)
        if found["gate"]["green"]:
            found |= {"step": steps(stock, ours, budget, most)} | parts(stock, ours, handle, budget, most)
    except ValueError as error:  # scikit-learn's mixtures can collapse
        found |= {"failed": f"stock raises {type(error).__name__}: {str(error).splitlines()[0]}", "gate": None}
    return found
