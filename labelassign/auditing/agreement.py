"""How much two assignments of the same objects to the same priors have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from labelassign import checks
from labelassign.auditing.counts import Counts
from labelassign.structures import Assignment, Reason
from labelassign.structures.targets import count_rows


@torch.no_grad()
def churn(before: Assignment, after: Assignment) -> Float[Tensor, " G"]:
    """How far the positives of every object differ: 1 - Jaccard index of the two sets `[G]`, float32.

    0: the same priors; 1: not one in common. Two empty sets are equal, so ignored regions and padding have 0.

    Arguments:
        before: an assignment.
        after: another one, of the same ground truth and priors: a later step's, or another method's.
    Raises: ValueError for assignments of different shape.

    Example:
        >>> la.churn(la.ATSS(topk=9)(priors, gt), la.ATSS(topk=5)(priors, gt))
        tensor([0.0000, 0.3333, 0.0000])
    """
    common, either = _sets("churn", before, after)
    return (either - common) / either.clamp(min=1)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True, repr=False)
class Agreement(Counts):
    """What two assignments decide alike, counted; records of several batches or ranks are added.

    All tensors are 0-d int64. The shares are exact quotients of the counts, and 1 where there is nothing to compare.

    Attributes:
        priors: priors of all images.
        same_priors: those with the same owner, or background in both, or left out in both.
        positives: priors that are positive in at least one of the two.
        same_positives: those that learn the same object in both.
        objects: objects; ignored regions and padding are none.
        same_objects: those with the same set of positives in both, empty ones included.

    Example:
        >>> student, teacher = (la.PAA()(priors, gt, network) for network in (predictions, other))
        >>> found = la.Agreement.between(student, teacher)
        >>> found.of_priors, found.of_positives
        (0.96625, 0.12903225806451613)
    """

    priors: Int[Tensor, ""]
    same_priors: Int[Tensor, ""]
    positives: Int[Tensor, ""]
    same_positives: Int[Tensor, ""]
    objects: Int[Tensor, ""]
    same_objects: Int[Tensor, ""]

    @classmethod
    @torch.no_grad()
    def between(cls, student: Assignment, teacher: Assignment) -> Self:
        """Compare two assignments of the same ground truth and priors; symmetric, and no wait for the device.

        Raises:
            ValueError: assignments of different shape.
        """
        common, either = _sets("Agreement.between", student, teacher)
        same = student.gt_index == teacher.gt_index
        some = student.positive | teacher.positive
        real = (student.reason != Reason.IGNORED) & (student.reason != Reason.PADDING)
        return cls(
            torch.full_like(same.sum(), same.numel()),
            same.sum(),
            some.sum(),
            (some & same).sum(),
            real.sum(),
            (real & (common == either)).sum(),
        )

    @property
    def of_priors(self) -> float:
        """Share of all priors with the same owner; near 1 for any two methods, since most priors are background."""
        return _share(self.same_priors, self.priors)

    @property
    def of_positives(self) -> float:
        """Share of the priors that are positive in either, which learn the same object in both."""
        return _share(self.same_positives, self.positives)

    @property
    def of_objects(self) -> float:
        """Share of the objects that have the same positives."""
        return _share(self.same_objects, self.objects)

    def __repr__(self) -> str:
        if not checks.values_visible(self.priors):  # reading would wait for the device
            return f"Agreement(on {self.priors.device})"
        shares = ((self.of_priors, "priors"), (self.of_positives, "positives"), (self.of_objects, "objects"))
        return "Agreement(" + ", ".join(f"{share:.1%} of {what}" for share, what in shares) + ")"


def _share(part: Tensor, whole: Tensor) -> float:
    total = int(whole)
    return int(part) / total if total else 1.0


def _sets(who: str, a: Assignment, b: Assignment) -> tuple[Tensor, Tensor]:
    """Size of the intersection and of the union of every object's two sets of positives `[G]`."""
    fix = "Compare assignments of one call's priors and ground truth."
    checks.equal(who, "shape of `gt_index`", {"first": [*a.gt_index.shape], "second": [*b.gt_index.shape]}, fix)
    checks.equal(who, "number of rows", {"first": a.reason.shape[0], "second": b.reason.shape[0]}, fix)
    checks.same_device(who, (("first", a.gt_index), ("second", b.gt_index)))
    common = count_rows(torch.where(a.gt_index == b.gt_index, a.gt_index, -1), a.reason.shape[0])
    return common, a.per_gt_count + b.per_gt_count - common
