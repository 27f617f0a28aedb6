"""Counting assignments batch by batch."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor

from labelassign import checks
from labelassign.auditing.count import count
from labelassign.auditing.report import AuditReport
from labelassign.structures import Assignment, GroundTruth, Priors, Reason

SMALL, MEDIUM = 32.0, 96.0  # COCO's bounds; COCO takes the area of the mask, and counts a bound to both sides


class Audit:
    """Count over many batches which objects own how many priors, and why some own none.

    `add` takes one assignment after the other and waits for no device; `report` is an `AuditReport` of all of them.
    Reports of several audits (of worker processes, of parts of a data set) are added; `AuditReport.reduce` adds those
    of all ranks.

    Arguments:
        sizes: bounds between sizes in pixels, rising; the size of an object is the square root of its box's area.
            Default: COCO's small, medium and large.
        most: objects with this many positives or more share the last column of the histogram.
        keep: how many objects without positives are listed by name, the first ones; the others are only counted.
    Raises: ValueError for options out of range.

    Example:
        >>> audit = la.Audit(sizes=(16, 48))
        >>> for assigner in (la.ATSS(), la.MaxIoU(0.7, low_quality="off")):
        ...     audit.add(assigner(priors, gt), gt, priors)
        >>> audit.report
        AuditReport(4 images, 6 objects, 2 without positives)
    """

    def __init__(self, *, sizes: Sequence[float] = (SMALL, MEDIUM), most: int = 32, keep: int = 1000) -> None:
        who, bounds = "Audit", tuple(float(size) for size in sizes)
        in_order = all(low < high for low, high in zip((0.0, *bounds), (*bounds, math.inf), strict=True))
        if not bounds or not in_order:
            checks.fail(who, "`sizes` > 0, finite and rising", tuple(sizes), "Give bounds like (32, 96).")
        for name, value, least in (("most", most, 1), ("keep", keep, 0)):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                checks.fail(who, f"`{name}` to be a whole number >= {least}", repr(value), "Choose a larger one.")
        self._options = (bounds, most, keep)
        self._report: AuditReport | None = None

    def add(self, assignment: Assignment, gt: GroundTruth, priors: Priors) -> None:
        """Count one batch.

        Arguments:
            assignment: what an assigner returned.
            gt: the ground truth of that call.
            priors: the priors of that call; only their levels are read.

        Raises:
            ValueError: arguments of different calls; another number of levels than before.
        """
        counted = count(assignment, gt, priors, *self._options)
        self._report = counted if self._report is None else self._report + counted

    @property
    def report(self) -> AuditReport:
        """The report of everything added so far."""
        return _nothing(*self._options) if self._report is None else self._report

    def __repr__(self) -> str:
        return f"Audit({self.report!r})"


def audit(
    assigner: Callable[..., Assignment],
    batches: Iterable[Sequence[Any]],
    *,
    step: int | None = None,
    sizes: Sequence[float] = (SMALL, MEDIUM),
    most: int = 32,
    keep: int = 1000,
) -> AuditReport:
    """Assign every batch and report which objects own how many priors, and why some own none.

    Arguments:
        assigner: an assigner.
        batches: (priors, gt), (priors, gt, predictions) or (priors, gt, predictions, teacher), one after the other.
        step: passed on, for assigners that change over training.
        sizes: bounds between sizes in pixels, see `Audit`.
        most: see `Audit`.
        keep: how many objects without positives are listed by name, see `Audit`.
    Returns: an `AuditReport`; `print` shows it as a table.
    Raises: ValueError for batches of other length; what the assigner raises.

    Example:
        >>> report = la.audit(la.PAA(), [(priors, gt, predictions)])
        >>> report.without.sum().item(), report.positives.sum(1).tolist()
        (0, [11, 5])
    """
    counted = Audit(sizes=sizes, most=most, keep=keep)
    for number, batch in enumerate(batches):
        if not isinstance(batch, Sequence) or not 2 <= len(batch) <= 4:
            expected = "(priors, gt), (priors, gt, predictions) or (priors, gt, predictions, teacher)"
            got = f"{len(batch)} parts" if isinstance(batch, Sequence) else checks.describe(batch)
            checks.fail(f"audit, batch {number}", expected, got, "Yield tuples of records.")
        priors, gt, *networks = batch
        mine, teacher = [*networks, None, None][:2]
        counted.add(assigner(priors, gt, mine, teacher=teacher, step=step), gt, priors)
    return counted.report


def _nothing(bounds: tuple[float, ...], most: int, keep: int) -> AuditReport:
    """The report of no batch: of no level, and neutral under addition."""
    size, reasons = len(bounds) + 2, len(Reason)

    def zeros(*shape: int) -> Tensor:
        return torch.zeros(shape, dtype=torch.int64)

    table, listed = zeros(size, reasons), zeros(keep, 3) - 1
    counts = (zeros(), table, table.clone(), zeros(size, most + 1), zeros(0, size), zeros(0, 3))
    return AuditReport(*counts, listed, torch.zeros(keep), bounds)
