"""From results to the numbers of the page."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from benchmarks.study import jobs
from benchmarks.study.jobs import PLAN, Job, ap_of
from benchmarks.study.statistics import Difference, holm, paired

SCHEDULES: list[int] = sorted({PLAN["steps"], *PLAN["curve"]["steps"]})


def results(arm: str, steps: int) -> dict[int, dict[str, Any]]:
    """What has run of an arm, by seed."""
    found = {int(path.stem.rpartition("-")[2]): path for path in jobs.RESULTS.glob(f"{steps}/{arm}-*.json")}
    return {seed: json.loads(found[seed].read_text("utf-8")) for seed in sorted(found)}


def scores(arm: str, steps: int) -> dict[int, float]:
    """AP by seed; "pair" is the mean of the two networks of CoLAD, each trained alone."""
    if arm == "pair":
        first, second = (scores(name, steps) for name in ("paa", "paa_second"))
        return {seed: (first[seed] + second[seed]) / 2 for seed in set(first) & set(second)}
    return {seed: ap_of(result) for seed, result in results(arm, steps).items()}


@dataclass(frozen=True)
class Compared:
    """One comparison of the plan: title, which arms, how many seeds are planned, and what has been found so far."""

    title: str
    arms: tuple[str, str]
    planned: int
    found: Difference | None
    corrected: float | None = None

    @property
    def known(self) -> Difference | None:
        """What was found, once all seeds have run."""
        return self.found if self.found is not None and self.found.n >= self.planned else None

    @property
    def verdict(self) -> str:
        """What may be said of it."""
        if self.known is None:
            return f"{0 if self.found is None else self.found.n} of {self.planned} seeds have run"
        if self.corrected is None:
            return "exploratory"
        apart = self.corrected < 0.05 and (self.known.low > 0 or self.known.high < 0)
        return "a difference" if apart else "not resolved at this scale"


def primaries() -> list[Compared]:
    """The comparisons that were named beforehand; corrected once all of them have all their seeds."""
    rows = [(each, _difference(each["arm"], each["against"], PLAN["steps"])) for each in PLAN["primary"]]
    complete = all(found is not None and found.n >= each["seeds"] for each, found in rows)
    corrected = holm([found.p for _, found in rows if found is not None]) if complete else [None] * len(rows)
    pairs = zip(rows, corrected, strict=True)
    return [
        Compared(each["name"], (each["arm"], each["against"]), each["seeds"], found, p) for (each, found), p in pairs
    ]


def exploratory() -> list[Compared]:
    """All others of the plan."""
    plan = PLAN["exploratory"]
    return [
        Compared(f"`{a}` against `{b}`", (a, b), plan["seeds"], _difference(a, b, PLAN["steps"]))
        for a, b in plan["pairs"]
    ]


def _difference(first: str, second: str, steps: int) -> Difference | None:
    return paired(scores(first, steps), scores(second, steps), PLAN["confidence"])


def cost(arm: str, steps: int) -> dict[str, float]:
    """CPU seconds of an arm: its training, of that teacher and assignment; and before it, the teacher's training.

    Those of its first seed, since machines differ and that seed of all arms ran on one. A teacher that serves many
    students is charged to each of them: whoever trains one student pays for one teacher.
    """
    runs = results(arm, steps)
    result = runs[min(runs)]
    spent, teacher = result["cpu_seconds"], result["options"]["teacher"]
    before = 0.0
    if teacher not in (None, "ema", "random"):
        before = Job(teacher, {}).result()["cpu_seconds"]["train"]
    parts = {name: spent.get(name, 0.0) for name in ("train", "teacher", "assignment")}
    return {**parts, "before": before}
