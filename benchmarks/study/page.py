"""Write the study's page of the documentation and its pictures: `python -m benchmarks.study.page`."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from string import Template

from benchmarks.plots import write as write_figure
from benchmarks.sections import table
from benchmarks.study import advice, analysis, plots
from benchmarks.study.analysis import Compared, cost, results, scores
from benchmarks.study.jobs import HERE, PLAN, every, teachers
from benchmarks.study.statistics import shown

DOCS = Path(__file__).parents[2] / "docs"


def comparisons(rows: Sequence[Compared]) -> str:
    """Mean, interval, p-values, signs and verdict of each."""
    lines: list[list[str]] = []
    for row in rows:
        if row.found is None:
            lines.append([row.title, "", "", "", "", "", row.verdict])
            continue
        f, holm = row.found, "" if row.corrected is None else f" → {shown(row.corrected)}"
        interval = f"{f.low:+.2f} … {f.high:+.2f}"
        signs = f"{f.agree} of {f.n} ({shown(f.sign_p)})"
        lines.append([row.title, f"**{f.mean:+.2f}**", interval, f"{shown(f.p)}{holm}", signs, str(f.n), row.verdict])
    return table(["comparison", "AP", "interval", "p → Holm", "same sign (p)", "seeds", "what may be said"], lines)


def arms() -> str:
    """Scores and times of every arm on the plan's schedule."""
    lines: list[list[str]] = []
    for arm in PLAN["arms"]:
        found, aps = list(results(arm, PLAN["steps"]).values()), list(scores(arm, PLAN["steps"]).values())
        if found:
            lines.append([f"`{arm}`", rates(arm), str(len(found)), *_scored(aps, found)])
            paid = cost(arm, PLAN["steps"])
            lines[-1] += [f"{paid[name]:.1f}" for name in ("train", "teacher", "assignment", "before")]
    head = ["arm", "rate", "seeds", "AP", "sd", "AP50", "positives per object"]
    return table([*head, "CPU s", "of that teacher", "assignment", "teacher's training"], lines)


def _scored(aps: list[float], found: list[dict]) -> list[str]:
    positives = [row["positives"] for each in found for row in each["rows"][-1:] if "positives" in row]
    fifty = [fmean(v for k, v in each["scores"].items() if k.startswith("AP50")) for each in found]
    return [*_spread(aps), f"{fmean(fifty):.1f}", f"{fmean(positives):.1f}" if positives else ""]


def _spread(aps: list[float]) -> list[str]:
    return [f"{fmean(aps):.2f}", f"{stdev(aps):.2f}" if len(aps) > 1 else ""]


def rates(arm: str) -> str:
    """The learning rate of an arm's runs; were there several, all of them."""
    return " ".join(sorted({f"{each['options']['rate']:g}" for each in results(arm, PLAN["steps"]).values()}))


def weighted() -> str:
    """PAA and LAD with both weightings of the box loss: published comparisons changed both at once."""
    head = ["AP", "rate", "positives weighted by overlap", "all alike", "seeds"]
    lines: list[list[str]] = []
    for arm, alike in PLAN["weighted"]:
        both = [scores(name, PLAN["steps"]) for name in (arm, alike)]
        seeds = sorted(set(both[0]) & set(both[1]))
        if seeds:
            lines.append([f"`{arm}`", rates(alike)])
            lines[-1] += [f"{fmean(found[seed] for seed in seeds):.2f}" for found in both]
            lines[-1].append(str(len(seeds)))
    return table(head, lines)


def compute() -> str:
    """The learning curves in numbers."""
    lines: list[list[str]] = []
    for arm in PLAN["curve"]["arms"]:
        for steps in analysis.SCHEDULES:
            aps = list(scores(arm, steps).values())
            if aps:
                train, before = (cost(arm, steps)[name] for name in ("train", "before"))
                lines.append([f"`{arm}`", str(steps), str(len(aps)), *_spread(aps)])
                lines[-1] += [f"{train:.0f}", f"{before:.0f}", f"{train + before:.0f}"]
    return table(["arm", "steps", "seeds", "AP", "sd", "CPU s", "teacher's training", "both"], lines)


def taught() -> str:
    """The teachers."""
    rows = [(job.name.removeprefix("teachers/"), job.result()) for job in teachers() if job.done]
    lines = [
        [f"`{name}`", f"{run['parameters']:,}", f"{run['scores']['AP']:.2f}", f"{run['cpu_seconds']['train']:.0f}"]
        for name, run in rows
    ]
    return table(["teacher", "parameters", "AP", "CPU s"], lines)


def cached() -> tuple[str, str]:
    """Times of a cached teacher beside others, and whether the weights are those of the teacher that is asked."""
    found = json.loads((HERE / "cached.json").read_text("utf-8"))
    names = ("train", "teacher", "assignment")
    lines = [[arm, *(f"{times[name]:.1f}" for name in names)] for arm, times in found["cpu_ms_per_step"].items()]
    same = "The weights are the same, bit for bit, with the cache and without." if found["same_weights"] else ""
    return table(["arm", "whole step", "of that teacher", "assignment"], lines), same


def write(docs: Path) -> Path:
    """Page and pictures under `docs`."""
    named, others = analysis.primaries(), analysis.exploratory()
    pictures = {
        "differences": plots.differences([*named, *others]),
        "curves": plots.curves(),
        "watched": plots.watched(),
    }
    for name, figure in pictures.items():
        write_figure(figure, docs / "images" / "study" / f"{name}.svg")
    jobs = every()
    done, left = sum(job.done for job in jobs), sum(not job.done for job in jobs)
    state = f"{done} of {done + left} runs are done." + (" **The study is not finished.**" if left else "")
    changes = "Changed since:\n\n" + "\n".join(f"- {each}" for each in PLAN["changes"])
    kept, same = cached()
    text = Template((HERE / "template.md").read_text("utf-8")).substitute(
        state=state,
        steps=PLAN["steps"],
        changes=changes,
        wording="The form of words: *" + " ".join(PLAN["wording"].split()) + "*",
        primaries=comparisons(named),
        exploratory=comparisons(others),
        weighted=weighted(),
        compute=compute(),
        arms=arms(),
        teachers=taught(),
        cached=kept,
        same=same,
    )
    path = docs / "study.md"
    path.write_text(text, encoding="utf-8")
    return path


if __name__ == "__main__":
    print(write(DOCS), advice.write(DOCS))
    sys.exit(0)
