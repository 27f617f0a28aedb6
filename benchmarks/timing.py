"""Times of several arms, taken in turns so that whatever else the machine does falls on all of them.

pytest-benchmark is not used: it runs one function to its end before the next begins, so that a slow minute of the
machine falls on one arm alone, and it has no place for a check that decides whether there is a figure.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.arms import Arm

WARM = 0.004  # seconds of one turn of an arm: what is quick is called often enough to see its own memory in the caches
MOST = 40  # calls of one turn
COLD_MATTERS = 0.1  # seconds from which on the first call of a turn is taken like any other


@dataclass(frozen=True)
class Times:
    """Wall time of one call in milliseconds, over `calls` of them.

    `first` is the median of the first calls of a turn, which find the other arms' data in the caches.
    """

    median: float
    low: float
    high: float
    first: float
    calls: int

    @classmethod
    def of(cls, seconds: Sequence[float], first: Sequence[float] = ()) -> Times:
        """Median and quartiles."""
        low, median, high = _quartiles(seconds)
        early = statistics.median(first) if first else median
        return cls(*(round(1e3 * value, 5) for value in (median, low, high, early)), len(seconds))


def _quartiles(values: Sequence[float]) -> Sequence[float]:
    if len(values) == 1:
        return [values[0]] * 3
    return statistics.quantiles(sorted(values), n=4, method="inclusive")


def wall(call: Callable[[], object]) -> float:
    """Seconds of one call by the host's clock."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


@dataclass
class _Clock:
    """The times of one arm so far."""

    arm: Arm
    stopwatch: Callable[[Callable[[], object]], float]
    every: int = 1
    repeat: int = 1
    seconds: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)

    def call(self) -> float:
        return self.stopwatch(self.arm.call)

    def plan(self, rounds: int, budget: float) -> None:
        """After one or two unmeasured calls: how often a turn calls it, and which rounds it takes part in."""
        self.arm.enter()
        self.call()
        once = self.call()
        once = once if once > COLD_MATTERS else self.call()
        self.repeat = max(1, min(MOST, int(WARM / once)))
        turns = max(3, min(rounds, int(budget / (once * (self.repeat + 1)))))
        self.every = max(1, rounds // turns)

    def turn(self) -> None:
        self.arm.enter()
        early = self.call()
        self.first.append(early)
        if early > COLD_MATTERS:
            self.seconds.append(early)
        else:
            self.seconds += [self.call() for _ in range(self.repeat)]


@contextmanager
def _no_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def interleaved(
    arms: Sequence[Arm], rounds: int, budget: float = 8.0, stopwatch: Callable[[Callable[[], object]], float] = wall
) -> dict[str, Times]:
    """Call the arms in turns, each round beginning with another one.

    An arm that would take more than `budget` seconds is left out of some rounds, evenly, but takes part in three.
    """
    clocks = [_Clock(arm, stopwatch) for arm in arms]
    for clock in clocks:
        clock.plan(rounds, budget)
    with _no_collection():
        for each in range(rounds):
            start = each % len(clocks)
            for clock in clocks[start:] + clocks[:start]:
                if each % clock.every == 0:
                    clock.turn()
    return {clock.arm.name: Times.of(clock.seconds, clock.first) for clock in clocks}
