"""The record of an audit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from labelassign import checks
from labelassign.auditing import missing, table
from labelassign.auditing.counts import Counts
from labelassign.auditing.missing import Missing


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True, repr=False)
class AuditReport(Counts):
    """Which objects of many images own how many priors, and why some own none; `print` shows it as a table.

    Counts are int64 tensors that add up: `a + b` is the report of the images of a followed by those of b, whatever the
    split into batches, worker processes or ranks. The letters are S sizes (one per interval between `sizes`, and last
    the boxes without a size: NaN, infinite or corners out of order), R reasons in the order of `Reason`, L levels,
    M the argument `most` and K the argument `keep` of `Audit`. Ignored regions and padding rows are no objects.

    Attributes:
        images: how many, 0-d.
        objects: by size and reason `[S, R]`.
        without: those that own no prior, by size and reason `[S, R]`.
        histogram: objects by size and number of positives `[S, M + 1]`; the last column stands for M or more.
        positives: positive priors by level and size of their object `[L, S]`.
        priors: positive, background and ignored priors by level `[L, 3]`.
        listed: image, row and reason of the first K objects without positives `[K, 3]`, -1 where there are fewer.
        listed_size: their size in pixels `[K]`, float32.
        sizes: the bounds between sizes in pixels (square root of the area); a bound belongs to the larger size.

    Raises:
        ValueError: on adding reports of other sizes, `most`, `keep` or number of levels.

    Example:
        >>> report = la.audit(la.MaxIoU(0.7, low_quality="off"), [(priors, gt), (priors, gt)])
        >>> report
        AuditReport(4 images, 6 objects, 4 without positives)
        >>> [(each.image, each.row, round(each.size), each.reason.name) for each in report.missing()]
        [(0, 0, 34, 'REJECTED'), (1, 0, 40, 'REJECTED'), (2, 0, 34, 'REJECTED'), (3, 0, 40, 'REJECTED')]
    """

    images: Int[Tensor, ""]
    objects: Int[Tensor, "S R"]
    without: Int[Tensor, "S R"]
    histogram: Int[Tensor, "S M1"]
    positives: Int[Tensor, "L S"]
    priors: Int[Tensor, "L 3"]
    listed: Int[Tensor, "K 3"]
    listed_size: Float[Tensor, " K"]
    sizes: tuple[float, ...]

    def missing(self) -> list[Missing]:
        """The listed objects without positives, in the order of the images (waits for the device)."""
        return missing.read(self.listed, self.listed_size)

    @property
    def left_out(self) -> int:
        """How many objects without positives are counted but not listed, for want of room (waits for the device)."""
        return int(self.without.sum()) - int((self.listed[:, 0] >= 0).sum())

    def __add__(self, other: object) -> Self:
        if not isinstance(other, type(self)):
            return NotImplemented
        self._fits(other)
        mine = self._of_levels(other)
        theirs = other._of_levels(mine)
        listed, size = missing.join((mine.listed, mine.listed_size), (theirs.listed, theirs.listed_size), mine.images)
        names = ("images", "objects", "without", "histogram", "positives", "priors")
        counts = {name: getattr(mine, name) + getattr(theirs, name) for name in names}
        return type(self)(**counts, listed=listed, listed_size=size, sizes=self.sizes)

    def _fits(self, other: AuditReport) -> None:
        who, fix = "AuditReport", "Add reports of audits with the same options, over detectors of one kind."
        checks.equal(who, "`sizes`", {"first": self.sizes, "second": other.sizes}, fix)
        pairs = (("`most`", "histogram", 1), ("`keep`", "listed", 0), ("number of levels", "priors", 0))
        for what, field, dim in pairs:
            found = {k: getattr(v, field).shape[dim] for k, v in (("first", self), ("second", other))}
            if what != "number of levels" or 0 not in found.values():
                checks.equal(who, what, found, fix)

    def _of_levels(self, other: AuditReport) -> Self:
        """This report, with the other one's number of levels and device if it has seen no level: sum of no batches."""
        if self.priors.shape[0]:
            return self
        fields = self.to(other.priors.device)._fields()
        fields["positives"], fields["priors"] = torch.zeros_like(other.positives), torch.zeros_like(other.priors)
        return type(self)(**fields)

    def to_dict(self) -> dict[str, Any]:
        """Numbers and lists of numbers, as `json` takes them (waits for the device)."""
        fields = {k: v.tolist() for k, v in self._fields().items() if isinstance(v, Tensor)}
        sides = [None if math.isnan(side) else side for side in fields.pop("listed_size")]
        pairs = [[*row, side] for row, side in zip(fields.pop("listed"), sides, strict=True) if row[0] >= 0]
        return {**fields, "missing": pairs, "keep": self.listed.shape[0], "sizes": list(self.sizes)}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """The record that `to_dict` described, on the CPU."""
        plain = ("missing", "keep", "sizes", "positives", "priors")
        tensors = {k: torch.tensor(v, dtype=torch.int64) for k, v in fields.items() if k not in plain}
        bands = len(fields["sizes"]) + 2
        tensors["positives"] = torch.tensor(fields["positives"], dtype=torch.int64).reshape(-1, bands)
        tensors["priors"] = torch.tensor(fields["priors"], dtype=torch.int64).reshape(-1, 3)
        absent = fields["keep"] - len(fields["missing"])
        rows = [row[:3] for row in fields["missing"]] + [[-1] * 3] * absent
        side = [math.nan if row[3] is None else row[3] for row in fields["missing"]] + [0.0] * absent
        tensors["listed"] = torch.tensor(rows, dtype=torch.int64).reshape(-1, 3)
        tensors["listed_size"] = torch.tensor(side, dtype=torch.float32)
        return cls(**tensors, sizes=tuple(fields["sizes"]))

    def __str__(self) -> str:
        return table.text(self)

    def __repr__(self) -> str:
        if not checks.values_visible(self.objects):  # reading would wait for the device
            return f"AuditReport(on {self.objects.device})"
        counts = (int(self.images), int(self.objects.sum()), int(self.without.sum()))
        return "AuditReport({} images, {} objects, {} without positives)".format(*counts)
