"""What is to be trained, in order: teachers, trials, then seed by seed, so that a part of it is already a study."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from examples.recipe.options import Options

HERE = Path(__file__).parent
PLAN: dict[str, Any] = tomllib.loads((HERE / "plan.toml").read_text("utf-8"))
RESULTS = HERE / "results"


@dataclass(frozen=True)
class Job:
    """One run: `name` is its place in the results, `split` what it is scored on, `needs` what must have run before."""

    name: str
    options: dict[str, Any]
    split: str = "test"
    needs: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        """Its result."""
        return RESULTS / f"{self.name}.json"

    @property
    def done(self) -> bool:
        """Whether it has run."""
        return self.path.exists()

    def result(self) -> dict[str, Any]:
        """What came out."""
        return json.loads(self.path.read_text("utf-8"))


def teachers() -> Iterator[Job]:
    """Three of every size."""
    plan = PLAN["teachers"]
    for kind, size in plan["sizes"].items():
        for number, seed in enumerate(plan["seeds"]):
            options = {"assign": "paa", "size": size, "seed": seed, "steps": plan["steps"], "rate": plan["rate"]}
            yield Job(f"teachers/{kind}-{number}", options)


def trials() -> Iterator[Job]:
    """Every arm with every learning rate."""
    plan = PLAN["tuning"]
    for arm in PLAN["arms"]:
        for rate in plan["rates"] if arm not in plan["same"] else ():
            for seed in plan["seeds"]:
                yield _job(arm, seed, plan["steps"], rate, f"tuning/{arm}-{rate}-{seed}", "tune")


def runs() -> Iterator[Job]:
    """What is compared: the plan's steps for all seeds, then the other schedules."""
    primary = {name: each["seeds"] for each in PLAN["primary"] for name in (each["arm"], each["against"])}
    few = PLAN["exploratory"]["seeds"]
    for seed in range(max(few, *primary.values())):
        for arm in PLAN["arms"]:
            if seed < primary.get(arm, few):
                yield run(arm, seed, PLAN["steps"])
    curve = PLAN["curve"]
    for seed in range(curve["seeds"]):
        for steps in curve["steps"]:
            for arm in curve["arms"]:
                yield run(arm, seed, steps)


def run(arm: str, seed: int, steps: int) -> Job:
    """One run of an arm, with the learning rate that was best for it."""
    return _job(arm, seed, steps, best_rate(arm), f"{steps}/{arm}-{seed}", "test")


def best_rate(arm: str) -> float:
    """The rate with the highest mean AP in the trials; the lower one of equal ones. Not known yet: the lowest."""
    plan, found = PLAN["tuning"], {}
    arm = plan["same"].get(arm, arm)
    for rate in plan["rates"]:
        paths = [RESULTS / f"tuning/{arm}-{rate}-{seed}.json" for seed in plan["seeds"]]
        if not all(path.exists() for path in paths):
            return min(plan["rates"])
        scores = [ap_of(json.loads(path.read_text("utf-8"))) for path in paths]
        found[rate] = sum(scores) / len(scores)
    return max(found, key=lambda rate: (found[rate], -rate))


def ap_of(result: dict[str, Any]) -> float:
    """AP of the run: of two networks the mean."""
    scores, metric = result["scores"], PLAN["metric"]
    return (scores[metric] + scores.get(f"{metric}_second", scores[metric])) / 2


def _job(arm: str, seed: int, steps: int, rate: float, name: str, split: str) -> Job:
    options = {"rate": rate, **PLAN["arms"][arm], "seed": seed, "steps": steps}
    teacher, needs = options.get("teacher"), _tried(arm) if split == "test" else []
    if teacher in PLAN["teachers"]["sizes"]:
        options["teacher"] = f"teachers/{teacher}-{seed % len(PLAN['teachers']['seeds'])}"
    elif teacher and teacher.startswith("self:"):
        own = teacher.removeprefix("self:")
        # a trial has no finished run of its own: the middle teacher of that size serves
        options["teacher"] = f"{steps}/{own}-{seed}" if split == "test" else "teachers/equal-0"
    if options.get("teacher") not in (None, "ema", "random"):
        needs.append(options["teacher"])
    if options.get("topk") == "matched":
        options["topk"], needs = _matched(), [*needs, *PLAN["matched"]["teachers"]]
    return Job(name, options, split, tuple(needs))


def _matched() -> int:
    """How many candidates of ATSS give about as many positives as the larger teachers; not known yet: ATSS's own."""
    plan = PLAN["matched"]
    found = [Job(name, {}) for name in plan["teachers"]]
    if not all(job.done for job in found):
        return plan["topk"][0]
    wanted = sum(job.result()["rows"][-1]["positives"] for job in found) / len(found)
    return min(zip(plan["topk"], plan["positives"], strict=True), key=lambda pair: abs(pair[1] - wanted))[0]


def _tried(arm: str) -> list[str]:
    plan = PLAN["tuning"]
    arm = plan["same"].get(arm, arm)
    return [f"tuning/{arm}-{rate}-{seed}" for rate in plan["rates"] for seed in plan["seeds"]]


def every() -> list[Job]:
    """All of them, each once."""
    found = {job.name: job for part in (teachers(), trials(), runs()) for job in part}
    return list(found.values())


def options_of(job: Job, work: Path) -> Options:
    """The options of a run; a teacher is a folder under `work`."""
    plain = dict(job.options)
    if plain.get("teacher") not in (None, "ema", "random"):
        plain["teacher"] = str(work / plain["teacher"])
    return Options(**plain)
