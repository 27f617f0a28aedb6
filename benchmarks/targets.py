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
from benchmarks.ratios import MAX_IOU, NOT_PREDICTED, RATIOS


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


def _ratios() -> list[Target]:
    return [
        Target(f"{key}_{n}", f"{work}, {n} objects", "×", wanted, True, predicted, basis, figures.ratio(methods, n))
        for key, work, methods, counts, basis in RATIOS
        for n, (wanted, predicted) in counts.items()
    ] + [_hungarian()]


def _hungarian() -> Target:
    measured = figures.ratio(("Hungarian, 6 layers",), 163, "coco_800x1333_b16")
    work = "Hungarian, 6 layers of 16 images, against transformers"
    return Target("hungarian", work, "×", 3.0, True, None, NOT_PREDICTED, measured)


def _others() -> list[Target]:
    co = figures.against(("CoLAD", "PAA"), 20)
    grows = [(m, k) for m, k in (("PAA", "paa"), (MAX_IOU[0], "max_iou"), ("ATSS", "atss"))]
    ops = "4 ops of 9 to 13 µs, 4 µs of contexts"
    linear = "sketches: straight lines"
    predicted = {"PAA": 3.6, MAX_IOU[0]: 2.9, "ATSS": 2.9}
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
