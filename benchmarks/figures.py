"""Finds in the results the figures that targets speak of; None for what a run has not measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks.workloads import COCO

Results = Mapping[str, Any]
Finder = Callable[[Results], float | None]


def _row(results: Results, method: str, objects: int, workload: str = COCO) -> dict[str, Any]:
    rows = results["cases"]
    key = (method, workload, objects)
    return next((row for row in rows if (row["method"], row["workload"], row["objects"]) == key), {})


def _ours(results: Results, method: str, objects: int) -> float | None:
    row = _row(results, method, objects)
    return row["arms"][row["fastest_ours"]]["median"] if row.get("fastest_ours") else None


def _quotient(above: float | None, below: float | None) -> float | None:
    return above / below if above is not None and below else None


def ratio(methods: Sequence[str], objects: int, workload: str = COCO) -> Finder:
    """The lowest of the ratios: against the fastest peer of each rule."""

    def measured(results: Results) -> float | None:
        found = [_row(results, method, objects, workload).get("ratio") for method in methods]
        known = [value for value in found if value is not None]
        return min(known) if len(known) == len(methods) else None

    return measured


def against(methods: tuple[str, str], objects: int) -> Finder:
    """The time of one method over that of another."""
    return lambda results: _quotient(*(_ours(results, method, objects) for method in methods))


def growth(method: str) -> Finder:
    """The time at 400 objects over that at 100."""
    return lambda results: _quotient(_ours(results, method, 400), _ours(results, method, 100))


def memory(objects: int) -> Finder:
    """The most that any method takes on its fastest path."""

    def measured(results: Results) -> float | None:
        found = []
        for row in results["memory"]:
            best = _row(results, row["method"], objects).get("fastest_ours")
            if row["objects"] == objects and row["arm"] == best:
                found.append(row.get("peak_mib"))
        return max(found) if found and None not in found else None

    return measured


def overhead(results: Results) -> float | None:
    """Microseconds of the slowest method without objects."""
    return max((each["total_us"] for each in results["overhead"].values()), default=None)


def gain(results: Results) -> float | None:
    """What the second thread brings PAA, on its fastest path."""
    rows = [row for row in results["scaling"] if row["method"] == "PAA"]
    return min(rows, key=lambda row: row["many"]["median"])["gain"] if rows else None


def floor(results: Results) -> float | None:
    """PAA at 20 objects over its arithmetic floor."""
    return _quotient(_ours(results, "PAA", 20), (results["floor"] or {}).get("arithmetic_ms"))
