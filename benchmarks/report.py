"""The tables that `make bench` prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def number(value: float | None, digits: int = 3) -> str:
    """A figure with this many digits that count; a dash for none."""
    if value is None:
        return "–"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:#.{digits}g}".rstrip(".")


def with_unit(value: float | None, unit: str) -> str:
    """The figure and its unit; a dash for none."""
    return "–" if value is None else f"{number(value)} {unit}"


def span(times: Mapping[str, Any]) -> str:
    """Median and quartiles."""
    return f"{number(times['median'])} ({number(times['low'])}–{number(times['high'])})"


def red(row: Mapping[str, Any]) -> str:
    """What the red gates of a comparison say; "" if all are green."""
    bad = [gate for gate in row["gates"] if not gate["green"]]
    found = [f"{g['arm']}: {g['differing'] - g['explained']} differ without explanation" for g in bad]
    return "; ".join(found) + (": no figure" if found else "")


def verdict(target: Mapping[str, Any]) -> str:
    """Reached, or not, or not measured."""
    return {True: "reached", False: "not reached", None: "not measured"}[target["reached"]]


def _table(title: str, *columns: str) -> Table:
    table = Table(*columns, title=title)
    for column in table.columns[1:]:
        column.justify = "right"
    return table


def comparisons(content: Mapping[str, Any]) -> Table:
    """Times per arm; above 1 the fastest of ours is faster than the fastest peer, below 1 slower."""
    table = _table("ms per call: median (quartiles)", "method and workload", "B", "G", "ours", "peers", "ratio")
    for row in content["cases"]:
        sides = {False: [], True: []}
        for name, arm in row["arms"].items():
            sides[arm["peer"]].append(f"{name} {span(arm)}")
        ratio, problem = row["ratio"], red(row)
        shown = "–" if ratio is None else f"[{'green' if ratio > 1 else 'red'}]{number(ratio)}"
        sides[True] += [f"[red]{name} raises" for name, said in row["refused"].items() if said.startswith("raises ")]
        cells = ["\n".join(sides[False]), "\n".join(sides[True]), shown]
        if problem:
            cells[1] = "\n".join(filter(None, [cells[1], f"[red]{problem}"]))
        table.add_row(f"{row['method']}\n{row['workload']}", str(row["images"]), str(row["objects"]), *cells)
    return table


def goals(content: Mapping[str, Any]) -> Table:
    """Every target: wanted, predicted, measured."""
    table = _table("targets", "work", "wanted", "predicted", "measured", "")
    for each in content["targets"]:
        unit, colour = each["unit"], {True: "green", False: "red", None: "dim"}[each["reached"]]
        figures = [with_unit(each[name], unit) for name in ("predicted", "measured")]
        table.add_row(each["work"], f"{each['sign']} {each['wanted']:g} {unit}", *figures, f"[{colour}]{verdict(each)}")
    return table


def memory(content: Mapping[str, Any]) -> Table:
    """Peak memory of one call beyond inputs and outputs."""
    table = _table("MiB beyond inputs and outputs", "method", "G", "arm", "first call", "later")
    for row in content["memory"]:
        cells = [row["failed"], ""] if "failed" in row else [number(row[key]) for key in ("peak_mib", "later_mib")]
        table.add_row(row["method"], str(row["objects"]), row["arm"], *cells)
    return table


def show(content: Mapping[str, Any]) -> None:
    """Print what was measured; a section without rows is left out."""
    console = Console()
    console.print(comparisons(content))
    if content["memory"]:
        console.print(memory(content))
    if content["targets"]:
        console.print(goals(content))
    machine = content["machine"]
    console.print(
        f"{machine['cpu']}, {machine['threads']} threads, load {machine['load_before'][0]:.1f}; commit "
        f"{machine['commit'][:10]}{', changed since' if machine['dirty'] else ''}",
        highlight=False,
    )
