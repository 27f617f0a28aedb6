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
        """The indicator `[G, L]` in float64, finite, and where it means something `[G, L]` bool."""

    @final
    def choose(self, student: Candidates, teacher: Candidates, units: Units) -> Choice:
        """Aggregate both indicators over the entries that both can judge, then compare them in float32."""
        (mine, mine_known), (other, other_known) = self.rho(student), self.rho(teacher)
        known = mine_known & other_known
        (mine, number), (other, _) = self._over(units, mine, known), self._over(units, other, known)
        decided = number > 0
        cheaper = self._cheaper(student, teacher, units)
        won = torch.where(decided, other.float() >= mine.float(), cheaper)
        return Choice(units.spread(won), decided, mine * decided, other * decided)

    def _cheaper(self, student: Candidates, teacher: Candidates, units: Units) -> Tensor:
        has, other_has = student.count > 0, teacher.count > 0
        cost, both = units.mean(student.mean, has & other_has)
        other_cost, _ = units.mean(teacher.mean, has & other_has)
        alone = units.mean(teacher.mean, other_has)[1] > units.mean(student.mean, has)[1]
        return torch.where(both > 0, other_cost.float() < cost.float(), alone)

    def _over(self, units: Units, rho: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        if self.aggregate == "mean":
            return units.mean(rho, known)
        value, number = units.median(torch.log(rho + _TINY), known)
        return value.exp() - _TINY, number


_TINY = 1e-6
