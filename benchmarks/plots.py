"""Pictures of the benchmark page: time and memory against objects, time against priors; both axes logarithmic."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.workloads import COCO, PRIORS

# Colours that also readers with a colour vision deficiency tell apart (Okabe and Ito, 2008); an arm keeps its own.
_STYLE = {
    "reference": ("#0072B2", "o"),
    "native": ("#D55E00", "s"),
    "triton": ("#E69F00", "D"),
    "mixed": ("#56B4E9", "P"),
    "mmdet": ("#009E73", "^"),
    "torchvision": ("#CC79A7", "v"),
    "scikit-learn": ("#000000", "x"),
    "scikit-learn, unchecked": ("#777777", "+"),
}
_LEAST_MIB = 0.125  # a logarithmic axis has no 0; what is less drowns in the noise of the counters
Curves = Mapping[str, Sequence[tuple[float, float]]]


def _draw(axes: Axes, title: str, curves: Curves, labels: tuple[str, str]) -> None:
    for name, points in curves.items():
        if name in _STYLE and points:
            colour, marker = _STYLE[name]
            axes.plot(*zip(*sorted(points), strict=True), color=colour, marker=marker, label=name, linewidth=1.2)
    axes.set(title=title, xscale="log", yscale="log", xlabel=labels[0], ylabel=labels[1])
    places = sorted({x for points in curves.values() for x, _ in points})
    axes.set_xticks(places, [f"{x:,.0f}" for x in places], fontsize=8)
    axes.set_xticks([], minor=True)
    axes.grid(visible=True, which="major", linewidth=0.4)
    if axes.lines:
        axes.legend(fontsize=7, frameon=False)


def _save(path: Path, panels: Mapping[str, Curves], labels: tuple[str, str]) -> None:
    rows = -(-len(panels) // 2)
    figure = Figure(figsize=(9.0, 3.2 * rows), layout="constrained")
    grid = figure.subplots(rows, min(2, len(panels)), squeeze=False)
    places = list(grid.flat)
    for axes, (title, curves) in zip(places, panels.items(), strict=False):
        _draw(axes, title, curves, labels)
    for axes in places[len(panels) :]:
        axes.set_visible(False)
    write(figure, path)


def write(figure: Figure, path: Path) -> None:
    """The same file for the same figures."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with mpl.rc_context({"svg.hashsalt": "labelassign", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})


def _curves(rows: Iterable[Mapping[str, Any]], x: str) -> dict[str, list[tuple[float, float]]]:
    """Median time per arm against a number of the case."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for name, arm in row["arms"].items():
            found.setdefault(name, []).append((row[x], arm["median"]))
    return found


def _panels(rows: Sequence[Mapping[str, Any]], x: str) -> dict[str, Curves]:
    """One per method that has at least two points to draw."""
    methods = dict.fromkeys(row["method"] for row in rows)
    chosen = {method: [row for row in rows if row["method"] == method and row["arms"]] for method in methods}
    return {method: _curves(mine, x) for method, mine in chosen.items() if len({row[x] for row in mine}) > 1}


def times_by_objects(content: Mapping[str, Any]) -> dict[str, Curves]:
    """One image of 22,400 priors."""
    return _panels([row for row in content["cases"] if row["workload"] == COCO], "objects")


def times_by_priors(content: Mapping[str, Any]) -> dict[str, Curves]:
    """100 objects in images of three sizes."""
    rows = [row for row in content["cases"] if row["workload"] == PRIORS]
    middle = [row for row in content["cases"] if row["workload"] == COCO and row["objects"] == 100]
    return _panels([*rows, *(row for row in middle if row["method"] in {each["method"] for each in rows})], "priors")


def memory_by_objects(content: Mapping[str, Any]) -> dict[str, Curves]:
    """Peak of one call beyond inputs and outputs."""
    found: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for row in content["memory"]:
        if "failed" not in row:
            point = (row["objects"], max(_LEAST_MIB, row["peak_mib"]))
            found.setdefault(row["method"], {}).setdefault(row["arm"], []).append(point)
    return {method: curves for method, curves in found.items() if any(len(points) > 1 for points in curves.values())}


def save(content: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Write the pictures that the results have data for; title by file name."""
    time, objects = "ms per call (median)", "objects"
    plans = {
        "time-objects.svg": (times_by_objects(content), (objects, time), "Time against objects, 22,400 priors"),
        "time-priors.svg": (times_by_priors(content), ("priors", time), "Time against priors, 100 objects"),
        "memory-objects.svg": (
            memory_by_objects(content),
            (objects, "MiB beyond inputs and outputs"),
            "Peak memory against objects, 22,400 priors",
        ),
    }
    found = {}
    for name, (panels, labels, title) in plans.items():
        if panels:
            _save(folder / name, panels, labels)
            found[name] = title
    return found
