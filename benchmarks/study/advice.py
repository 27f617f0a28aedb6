"""The page of advice: its words are in advice.md, its figures come from the results."""

from __future__ import annotations

from pathlib import Path
from statistics import fmean
from string import Template

from benchmarks.study import analysis
from benchmarks.study.analysis import Compared, cost, scores
from benchmarks.study.jobs import HERE, PLAN
from benchmarks.study.statistics import shown


def said(row: Compared) -> str:
    """A comparison in words, with where its results lie."""
    found, (first, second) = row.known, row.arms
    if found is None:
        return f"not known yet ({row.verdict})"
    p = "exploratory" if row.corrected is None else f"corrected p {shown(row.corrected)}: {row.verdict}"
    files = ", ".join(f"`{arm}-*.json`" for each in (first, second) for arm in parts(each))
    interval = f"{found.low:+.1f} … {found.high:+.1f}"
    return f"**{found.mean:+.1f} AP** ({interval}, same sign in {found.agree} of {found.n} seeds, {p}; {files})"


def parts(arm: str) -> tuple[str, ...]:
    """The arms that have files: "pair" is the mean of two."""
    return ("paa", "paa_second") if arm == "pair" else (arm,)


def figures() -> dict[str, str]:
    """By name: comparisons as FIRST_vs_SECOND, in short as d_FIRST_vs_SECOND; ap_ARM_STEPS, s_ARM_STEPS, t_ARM_STEPS.

    The last two are CPU seconds, of the run alone and with what its teacher took; a figure that is not known is "?".
    """
    found: dict[str, str] = {}
    for row in (*analysis.primaries(), *analysis.exploratory()):
        name = "_vs_".join(row.arms)
        found |= {name: said(row), f"d_{name}": f"{row.known.mean:+.1f}" if row.known else "?"}
    for arm in PLAN["arms"]:
        for steps in analysis.SCHEDULES:
            names = [f"{kind}_{arm}_{steps}" for kind in ("ap", "s", "t")]
            found |= zip(names, _reached(arm, steps), strict=True)
    return found


def _reached(arm: str, steps: int) -> tuple[str, str, str]:
    aps = scores(arm, steps).values()
    if not aps:
        return "?", "?", "?"
    paid = cost(arm, steps)
    return f"{fmean(aps):.1f}", f"{paid['train']:.0f}", f"{paid['train'] + paid['before']:.0f}"


def write(docs: Path) -> Path:
    """The page under `docs`; a figure that it names and that is not there is a KeyError."""
    path = docs / "which-teacher.md"
    text = Template((HERE / "advice.md").read_text("utf-8")).substitute(figures(), steps=PLAN["steps"])
    path.write_text(text, encoding="utf-8")
    return path
