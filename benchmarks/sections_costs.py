"""The parts of the page about memory, threads and fixed costs."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks import report
from benchmarks.sections import Content, table


def memory(content: Content) -> str:
    """First and later calls of each arm, and what the answer takes."""
    rows = []
    for row in content["memory"]:
        keys = ("peak_mib", "later_mib", "output_mib")
        cells = [row["failed"], "", ""] if "failed" in row else [report.number(row[key]) for key in keys]
        rows.append([row["method"], row["arm"], f"{row['objects']:,}", *cells])
    head = ["method", "arm", "objects", "MiB, first call", "later calls", "answer"]
    return table(head, rows, 2) if rows else "Not measured in this run."


def scaling(content: Content) -> str:
    """One thread against several."""
    rows = [
        [row["method"], row["arm"], report.span(row["one"]), report.span(row["many"]), report.number(row["gain"])]
        for row in content["scaling"]
    ]
    head = ["method", "arm", "ms, one thread", "ms, all threads", "gain"]
    return table(head, rows, 2) if rows else "Not measured in this run."


def overhead(content: Content) -> str:
    """One table: a column for each method, a row for each part; the numbers of ops are left out."""
    found = {
        method: {name.partition(": ")[2] or name: part for name, part in each["parts"].items()}
        for method, each in content["overhead"].items()
    }
    if not found:
        return "Not measured in this run."
    rows = [
        ["**the whole call**", *(f"**{report.number(each['total_us'])}**" for each in content["overhead"].values())]
    ]
    for name in dict.fromkeys(name for parts in found.values() for name in parts):
        rows.append([name, *(_part(parts.get(name)) for parts in found.values())])
    return table(["µs", *found], rows)


def _part(part: Mapping[str, float] | None) -> str:
    if part is None:
        return "–"
    extra = [f"{name} {report.number(value)}" for name, value in part.items() if name != "us"]
    return report.number(part["us"]) + (f" ({', '.join(extra)})" if extra else "")
