"""Pictures of the study's page."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from matplotlib.figure import Figure

from benchmarks.study.analysis import SCHEDULES, Compared, cost, results, scores
from benchmarks.study.jobs import PLAN

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
WATCHED = ("atss", "paa", "lad_large", "lad_ema", "colad_std_batch", "colad_fisher_batch")


def differences(rows: Sequence[Compared]) -> Figure:
    """Every comparison's mean and interval; the named ones first, in a colour of their own."""
    shown = [row for row in rows if row.found is not None]
    figure = Figure(figsize=(9.0, 0.7 + 0.3 * len(shown)), layout="constrained")
    axes = figure.subplots()
    for place, row in enumerate(shown):
        assert row.found is not None
        found, first = row.found, row.planned == PLAN["primary"][0]["seeds"]
        colour = COLOURS[1] if first else COLOURS[0]
        bars = [[found.mean - found.low], [found.high - found.mean]]
        axes.errorbar(found.mean, -place, xerr=bars, fmt="o", color=colour, capsize=3)
    names = [f"{row.title.replace('`', '')} ({row.found.n})" for row in shown if row.found is not None]
    axes.set_yticks([-place for place in range(len(shown))], names, fontsize=8)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_xlabel("difference in AP, 95 % interval (seeds in brackets)")
    axes.grid(axis="x", linewidth=0.4)
    return figure


def curves() -> Figure:
    """AP of the same arms against steps, and against CPU seconds with the teacher's training."""
    figure = Figure(figsize=(9.0, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for colour, arm in zip(COLOURS, PLAN["curve"]["arms"], strict=False):
        points = [(steps, scores(arm, steps)) for steps in SCHEDULES]
        points = [each for each in points if each[1]]
        if not points:
            continue
        means = [fmean(found.values()) for _, found in points]
        paid = [sum(cost(arm, steps)[name] for name in ("train", "before")) for steps, _ in points]
        left.plot([steps for steps, _ in points], means, "o-", color=colour, label=arm, markersize=4)
        right.plot(paid, means, "o-", color=colour, label=arm, markersize=4)
    ticks = (
        (left, "steps", (300, 600, 1200)),
        (right, "CPU seconds, the teacher's training included", (15, 30, 60, 125, 250)),
    )
    for axes, label, places in ticks:
        axes.set(xlabel=label, xscale="log")
        axes.set_xticks(places, map(str, places))
        axes.set_xticks([], minor=True)
        axes.grid(linewidth=0.4)
    left.set_ylabel("AP")
    if left.lines:
        left.legend(fontsize=7, frameon=False)
    return figure


def watched() -> Figure:
    """What the assignments do while a run trains: means over all seeds."""
    titles = {
        "churn": "positives changed since the last look",
        "overlap": "IoU of positives' predicted boxes",
        "positives": "positives per object",
        "teacher_share": "share of units that network B decides",
    }
    figure = Figure(figsize=(9.0, 6.4), layout="constrained")
    for axes, (name, title) in zip(figure.subplots(2, 2).flat, titles.items(), strict=True):
        for colour, arm in zip(COLOURS, WATCHED, strict=False):
            found: dict[int, list[float]] = {}
            for result in results(arm, PLAN["steps"]).values():
                for row in result["rows"]:
                    if name in row:
                        found.setdefault(int(row["step"]), []).append(row[name])
            if found:
                steps = sorted(found)
                axes.plot(steps, [fmean(found[step]) for step in steps], color=colour, label=arm, linewidth=1.2)
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("step", fontsize=8)
        axes.grid(linewidth=0.4)
        if axes.lines:
            axes.legend(fontsize=6, frameon=False)
    return figure
