"""Which of two networks decides: the criteria of co-learning."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple, final

import torch
from torch import Tensor

from labelassign.distill.units import Units
from labelassign.structures import Candidates


class Choice(NamedTuple):
    """teacher `[G, L or 1]` bool; of the units: decided by the criterion or not, and both networks' indicators."""

    teacher: Tensor
    decided: Tensor
    student_rho: Tensor
    teacher_rho: Tensor


class Criterion(ABC):
    """Chooses, unit by unit, the network whose costs decide.

    Example:
        >>> la.StdMean().needs_step, la.Random(seed=1).needs_step
        (False, True)
    """

    needs_step: bool = False

    @abstractmethod
    def choose(self, student: Candidates, teacher: Candidates, units: Units) -> Choice:
        """Compare two networks' candidates; both have the shape of `units`."""


class Indicator(Criterion):
    """Compares an indicator of each network: the higher one decides, equal ones leave it to the teacher.

    A unit that the indicator cannot judge (too few candidates) goes to the lower mean cost, equal ones to the student;
    where only one network has finite costs, to that one.

    Example:
        >>> issubclass(la.FisherScore, la.Indicator)
        True
    """

    aggregate: str = "mean"

    @abstractmethod
    def rho(self, candidates: Candidates) -> tuple[Tensor, Tensor]:
        """The indicator of each row and level `[G, L]` in float64, finite, and where it means something `[G, L]`."""

    @final
    def choose(self, student: Candidates, teacher: Candidates, units: Units) -> Choice:
        """Aggregate both indicators over the entries that both can judge, then compare them in float32."""
        both, pair = student.joined(teacher), units.doubled()
        rho, known = self.rho(both)
        rho, number = self._over(pair, rho, _in_both(known))
        (mine, other), decided = rho.chunk(2), number.chunk(2)[0] > 0
        won = torch.where(decided, other.float() >= mine.float(), self._cheaper(both, pair))
        return Choice(units.spread(won), decided, mine * decided, other * decided)

    def _cheaper(self, both: Candidates, pair: Units) -> Tensor:
        has = both.count > 0
        cost, shared = (t.chunk(2) for t in pair.mean(both.mean, _in_both(has)))
        mine, other = pair.mean(both.mean, has)[1].chunk(2)
        return torch.where(shared[0] > 0, cost[1].float() < cost[0].float(), other > mine)

    def _over(self, units: Units, rho: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        if self.aggregate == "mean":
            return units.mean(rho, known)
        value, number = units.median(torch.log(rho + _TINY), known)
        return value.exp() - _TINY, number


def _in_both(known: Tensor) -> Tensor:
    """True in both halves where it is in each."""
    mine, other = known.chunk(2)
    return (mine & other).repeat(2, 1)


_TINY = 1e-6
