"""What the fast paths are to reach on one image of 22,400 priors and 80 classes, what was predicted, what was measured.

Predictions come from sketches on two cores of another machine: C++ on one thread for PAA (0.76 ms at 20 objects, 1.59
at 60) and for matching (0.27 ms at 100, 0.78 at 400), mmdet 49.7 and 133.7 ms, torchvision and mmdet matching 35 ms at
100 and 164 at 400; counts between and beyond them by straight lines.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from benchmarks import figures
from benchmarks.figures import Finder, Results


@dataclass(frozen=True)
class Target:
    """One line of the table.

    Arguments:
        key: short name, by which a written reason is found.
        work: what is asked.
        unit: "×" (ratio), "µs", "MiB".
        wanted: the figure to reach.
        at_least: whether more is better.
        predicted: before anything was built; None where nobody predicted.
        basis: where the prediction comes from.
        measured: finds the figure in the results; None where it was not measured.
    """

    key: str
    work: str
    unit: str
    wanted: float
    at_least: bool
    predicted: float | None
    basis: str
    measured: Finder


_MAX_IOU = ("MaxIoU, mmdet's rules", "MaxIoU, torchvision's rules")
# method, its rows, per number of objects: wanted and predicted ratio, basis
_RATIOS = (
    ("paa", "PAA against mmdet", ("PAA",), {20: (100, 65), 100: (150, 90), 400: (250, 98)}, "sketch, one thread"),
    (
        "max_iou",
        "MaxIoU against mmdet and torchvision",
        _MAX_IOU,
        {20: (10, 20), 100: (100, 130), 400: (200, 210)},
        "sketch of matching, one thread",
    ),
    (
        "atss",
        "ATSS against mmdet",
        ("ATSS",),
        {20: (20, 56), 100: (100, 163), 400: (200, 445)},
        "as if it were matching",
    ),
    (
        "mixture",
        "mixture per object against scikit-learn",
        ("mixture per object",),
        {20: (600, 615), 100: (800, 1030), 400: (800, 1030)},
        "sketch with AVX-512, against 3 to 5 ms per object",
    ),
)


def _ratios() -> list[Target]:
    return [
        Target(f"{key}_{n}", f"{work}, {n} objects", "×", wanted, True, predicted, basis, figures.ratio(methods, n))
        for key, work, methods, counts, basis in _RATIOS
        for n, (wanted, predicted) in counts.items()
    ]


def _others() -> list[Target]:
    co = figures.against(("CoLAD", "PAA"), 20)
    grows = [(m, k) for m, k in (("PAA", "paa"), (_MAX_IOU[0], "max_iou"), ("ATSS", "atss"))]
    ops = "4 ops of 9 to 13 µs, 4 µs of contexts"
    linear = "sketches: straight lines"
    predicted = {"PAA": 3.6, _MAX_IOU[0]: 2.9, "ATSS": 2.9}
    return [
        Target("floor", "PAA, 20 objects, against the arithmetic floor", "×", 2.0, False, 3.0, "sketch", figures.floor),
        Target("colad", "CoLAD against PAA, 20 objects", "×", 4.0, False, 1.5, "sketch without a bound", co),
        Target(
            "overhead", "one call on an empty image, slowest method", "µs", 150.0, False, 48.0, ops, figures.overhead
        ),
        Target("memory_400", "peak at 400 objects", "MiB", 8.0, False, 0.7, "B·N + G·L·K", figures.memory(400)),
        Target("memory_5000", "peak at 5,000 objects", "MiB", 64.0, False, 4.7, "B·N + G·L·K", figures.memory(5000)),
        *(
            Target(
                f"growth_{key}",
                f"{m}: 400 against 100 objects",
                "×",
                4.5,
                False,
                predicted[m],
                linear,
                figures.growth(m),
            )
            for m, key in grows
        ),
        Target(
            "threads",
            "PAA, B = 16: two threads against one",
            "×",
            1.7,
            True,
            1.9,
            "images are independent",
            figures.gain,
        ),
    ]


TARGETS = (*_ratios(), *_others())


def judge(results: Results) -> list[dict[str, Any]]:
    """Every target with what the results say; `reached` is None where it was not measured."""
    found = []
    for each in TARGETS:
        value = each.measured(results)
        reached = None if value is None else (value >= each.wanted if each.at_least else value <= each.wanted)
        sign = "≥" if each.at_least else "≤"
        known = {"key": each.key, "work": each.work, "unit": each.unit, "wanted": each.wanted, "sign": sign}
        measured = None if value is None else round(value, 3)
        known |= {"predicted": each.predicted, "basis": each.basis, "measured": measured, "reached": reached}
        found.append(known)
    return found
