"""An audit as plain text."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from labelassign.structures import Reason

if TYPE_CHECKING:
    from labelassign.auditing.report import AuditReport

SHOWN = 5  # objects without positives that the text names


def text(report: AuditReport) -> str:
    """Three tables, and the first objects without positives (waits for the device)."""
    objects, without = int(report.objects.sum()), int(report.without.sum())
    head = f"{int(report.images):,} images, {objects:,} objects; {_part(without, objects)} without a positive"
    parts = [head, by_size(report), _histogram(report), _by_level(report), _missing(report)]
    return "\n\n".join(part for part in parts if part)


def size_names(sizes: Sequence[float]) -> list[str]:
    """What the intervals of sizes are called, the boxes without a size last."""
    ends = [f"{size:g}" for size in sizes]
    inner = [f"{low}-{high}" for low, high in itertools.pairwise(ends)]
    return [f"< {ends[0]}", *inner, f">= {ends[-1]}", "no size"]


def by_size(report: AuditReport) -> str:
    """Objects of every size, how many own no prior and why, and how many priors they own."""
    objects, without = report.objects.sum(1).tolist(), report.without.sum(1).tolist()
    positives, why = report.positives.sum(0).tolist(), report.without.tolist()
    codes = [reason for reason in Reason if report.without[:, reason].any()]
    rows = [
        [name, f"{n:,}", _part(gone, n), f"{own / n:.2f}", *(f"{row[code]:,}" for code in codes)]
        for name, n, gone, own, row in zip(size_names(report.sizes), objects, without, positives, why, strict=True)
        if n
    ]
    if not rows:
        return ""
    names = [code.name.lower().replace("_", " ") for code in codes]
    return _grid(["size in pixels", "objects", "without", "positives each", *names], rows)


def _histogram(report: AuditReport) -> str:
    """Objects by number of positives, in groups that double."""
    found, most = report.histogram.sum(0).tolist(), report.histogram.shape[1] - 1
    if not sum(found):
        return ""
    low, names, counts = 0, [], []
    while low < most:
        high = min(max(low, 2 * (low - 1)), most - 1)
        names.append(f"{low}" if low == high else f"{low}-{high}")
        counts.append(f"{sum(found[low : high + 1]):,}")
        low = high + 1
    return _grid(["positives", *names, f"{most}+"], [["objects", *counts, f"{found[most]:,}"]])


def _by_level(report: AuditReport) -> str:
    rows = [[f"{level}", *(f"{n:,}" for n in row)] for level, row in enumerate(report.priors.tolist())]
    return _grid(["level", "positive", "background", "ignored"], rows) if rows else ""


def _missing(report: AuditReport) -> str:
    found = report.missing()
    lines: list[str] = []
    for image, row, size, reason in found[:SHOWN]:
        side = "no size" if math.isnan(size) else f"{size:.1f} pixels"
        lines.append(f"image {image}, row {row}: {side}, {reason.name}")
    if len(found) > SHOWN:
        lines.append(f"and {len(found) - SHOWN:,} more in `missing()`")
    if report.left_out:
        lines.append(f"and {report.left_out:,} that are counted but not listed")
    return "\n".join(["Without a positive:", *lines]) if lines else ""


def _part(part: int, whole: int) -> str:
    return f"{part:,} ({part / whole:.1%})" if whole else f"{part:,}"


def _grid(head: list[str], rows: Iterable[list[str]]) -> str:
    """Columns as wide as their widest cell: the first to the left, the others to the right."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    shown = [
        "  ".join([first.ljust(widths[0]), *(c.rjust(w) for c, w in zip(rest, widths[1:], strict=True))])
        for first, *rest in lines
    ]
    return "\n".join(line.rstrip() for line in shown)
