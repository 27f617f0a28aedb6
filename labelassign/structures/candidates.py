"""The record between the stages of a cost-based assigner."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from jaxtyping import Float, Int
from torch import Tensor

from labelassign.structures.record import Record


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True, repr=False)
class Candidates(Record):
    """The cheapest priors of every ground truth on every level, and the moments of all it could choose from.

    Attributes:
        prior: prior index `[G, L, K]`, cheapest first, equal costs by lower prior; -1 where absent.
        cost: `[G, L, K]` float32, lower is better; +inf where absent.
        iou: overlap of the predicted box with the ground truth `[G, L, K]`, 0 where absent.
        best_iou: the Q largest overlaps of all candidates `[G, L, Q]`, for a dynamic k.
        count: candidates of finite cost, before the cut to K `[G, L]`.
        mean: mean cost of all of them `[G, L]`, float64, 0 without any.
        variance: unbiased variance of their costs `[G, L]`, float64, 0 below two.
        reason: why a row has no candidates at all, a `Reason` code `[G]`; FINE where it has some.
        non_finite: candidates per image that a non-finite prediction or cost has excluded `[B]`.

    Example:
        >>> la.PAA()._propose(priors, gt, predictions).cost.shape
        torch.Size([3, 2, 9])
    """

    prior: Int[Tensor, "G L K"]
    cost: Float[Tensor, "G L K"]
    iou: Float[Tensor, "G L K"]
    best_iou: Float[Tensor, "G L Q"]
    count: Int[Tensor, "G L"]
    mean: Float[Tensor, "G L"]
    variance: Float[Tensor, "G L"]
    reason: Int[Tensor, " G"]
    non_finite: Int[Tensor, " B"]

    def joined(self, other: Self) -> Self:
        """The rows of both, `2 G`, these first."""
        mine, others = self._fields(), other._fields()
        return type(self)(**{name: torch.cat([value, others[name]]) for name, value in mine.items()})

    def selected(self, chosen: Tensor, other: Self) -> Self:
        """The other's entries `[G, L]` where `chosen`; both networks' refused pairs."""

        def pick(name: str) -> Tensor:
            mine, others = getattr(self, name), getattr(other, name)
            return torch.where(chosen if mine.dim() == 2 else chosen[..., None], others, mine)

        entries = {name: pick(name) for name in ("prior", "cost", "iou", "best_iou", "count", "mean", "variance")}
        return replace(self, **entries, non_finite=self.non_finite + other.non_finite)

    def pooled(self) -> Self:
        """All levels as one: lists concatenated, moments combined exactly (Chan et al., 1979)."""
        count = self.count.sum(1, keepdim=True)
        weight = self.count.double()
        total = count.double()
        mean = (self.mean * weight).sum(1, keepdim=True) / total.clamp(min=1)
        inner = (self.variance * (weight - 1).clamp(min=0)).sum(1, keepdim=True)
        between = (weight * (self.mean - mean).square()).sum(1, keepdim=True)
        variance = torch.where(count > 1, (inner + between) / (total - 1).clamp(min=1), 0.0)

        def flat(lists: Tensor) -> Tensor:
            return lists.flatten(1)[:, None]

        prior, cost, iou, best = flat(self.prior), flat(self.cost), flat(self.iou), flat(self.best_iou)
        return type(self)(prior, cost, iou, best, count, mean, variance, self.reason, self.non_finite)
