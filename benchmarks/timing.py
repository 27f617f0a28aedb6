"""Times of several arms, taken in turns so that whatever else the machine does falls on all of them."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Times:
    """Wall time of one call in milliseconds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, seconds: list[float]) -> Times:
        """Median and quartiles."""
        low, median, high = statistics.quantiles(sorted(seconds), n=4, method="inclusive")
        return cls(*(round(1e3 * value, 4) for value in (median, low, high)))


@dataclass(frozen=True)
class Row:
    """One comparison; `times` is empty where `differing` priors made the check red."""

    method: str
    objects: int
    images: int
    differing: int
    times: Mapping[str, Times]

    @property
    def ratio(self) -> float:
        """How many times faster ours is, by medians."""
        return self.times["mmdet"].median / self.times["ours"].median


def interleaved(arms: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Times]:
    """Call the arms in turns, each round beginning with another one; one unmeasured call each comes first."""
    seconds: dict[str, list[float]] = {name: [] for name in arms}
    names = list(arms)
    for name in names:
        arms[name]()
    gc.collect()
    gc.disable()
    try:
        for each in range(rounds):
            turn = each % len(names)
            for name in names[turn:] + names[:turn]:
                begin = time.perf_counter()
                arms[name]()
                seconds[name].append(time.perf_counter() - begin)
    finally:
        gc.enable()
    return {name: Times.of(values) for name, values in seconds.items()}
