"""What was found, as words and figures: for the terminal and for the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.report import number, span

WANTED = 0.05  # of the stock assignment's time
Row = Mapping[str, Any]


def title(row: Row) -> str:
    """The detector, and how many objects if there are others."""
    return row["name"] if row["objects"] == 20 else f"{row['name']}, {row['objects']} objects"


def problem(row: Row) -> str:
    """Why a detector has no figures; "" if it has."""
    if row["failed"] is not None:
        return f"{row['failed']}: no figure"
    return "" if row["gate"]["green"] else f"losses differ by {row['gate']['difference']:.1e}: no figure"


def verdict(row: Row) -> str:
    """Whether the overhead is as small as wanted; an interval around the bound decides nothing."""
    if row["overhead"] is None:
        return "not measured"
    low, high = (row["overhead"][f"share_{name}"] for name in ("low", "high"))
    if high <= WANTED:
        return "reached"
    return "not reached" if low > WANTED else "not resolved"


def percent(value: float) -> str:
    """A share as percent, with a digit where that counts."""
    return f"{100 * value:.1f} %" if abs(value) < 0.1 else f"{100 * value:.0f} %"


def overhead(row: Row) -> tuple[str, str]:
    """Milliseconds and share, both with their intervals."""
    found = row["overhead"]
    times = f"{found['median']:.2f} ({found['low']:.2f}–{found['high']:.2f})"
    shares = [percent(found[f"share_{name}"]) for name in ("median", "low", "high")]
    return times, f"{shares[0]} ({shares[1]}–{shares[2]})"


def show(content: Mapping[str, Any]) -> None:
    """Print one line for each detector."""
    table = Table(title="CPU ms: median (quartiles)")
    for name in ("detector", "step, stock", "ours", "ratio", "assignment, stock", "ours", "overhead", "of stock's", ""):
        table.add_column(name, justify="left" if name in ("detector", "") else "right")
    for row in content["subjects"]:
        if problem(row):
            table.add_row(title(row), *[""] * 7, f"[red]{problem(row)}")
            continue
        step, assignment = row["step"], row["assignment"]
        both = [span(step[side]["cpu"]) for side in ("stock", "ours")]
        parts = [number(assignment[side]["median"]) for side in ("stock", "ours")]
        table.add_row(title(row), *both, number(step["ratio"]), *parts, *overhead(row), verdict(row))
    Console(width=180).print(table)
