"""Criteria that look at no cost: controls for studies."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labelassign import checks
from labelassign.distill.criteria import Choice, Criterion
from labelassign.distill.units import Units
from labelassign.structures import Candidates


def _signed(value: int) -> int:
    value &= 0xFFFFFFFFFFFFFFFF
    return value - (1 << 64) if value >> 63 else value


def _mix(x: Tensor) -> Tensor:
    """The finalizer of SplitMix64 (Steele et al., 2014); int64 arithmetic wraps as it should."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ ((x >> shift) & ((1 << (64 - shift)) - 1))) * _signed(factor)
    return x ^ ((x >> 31) & ((1 << 33) - 1))


@dataclass(frozen=True)
class Random(Criterion):
    """A fair coin for every unit: a function of seed, step and the unit's number, equal on all processes.

    Separates what co-learning gains from diversity from what it gains by the criterion.

    Arguments:
        seed: any integer.
    Raises: ValueError if a call brings no step.

    Example:
        >>> co = la.CoLAD(la.PAA(), criterion=la.Random(seed=7))
        >>> float(co(priors, gt, predictions, teacher=predictions, step=0).diagnostics["teacher_share"])
        1.0
    """

    seed: int = 0
    needs_step = True

    def choose(self, student: Candidates, teacher: Candidates, units: Units) -> Choice:
        """Toss one coin per unit."""
        assert units.step is not None
        device = student.cost.device
        key = torch.full((1,), _signed(self.seed * 0x9E3779B97F4A7C15), dtype=torch.int64, device=device) + units.step
        number = torch.arange(units.count, device=device)
        won = _mix(_mix(key) + number * _signed(0x9E3779B97F4A7C15)) < 0
        if units.of_row is None:
            won = won.view_as(student.count)
        zero = torch.zeros_like(won, dtype=torch.float64)
        return Choice(units.spread(won), torch.ones_like(won), zero, zero)


@dataclass(frozen=True)
class Fixed(Criterion):
    """Always the same network: "teacher" makes CoLAD into LAD, "student" into the wrapped assigner.

    Arguments:
        network: "teacher" or "student".
    Raises: ValueError for anything else.

    Example:
        >>> la.Fixed("student")
        Fixed(network='student')
    """

    network: str = "teacher"

    def __post_init__(self) -> None:
        """Check the option."""
        checks.choice("Fixed", "network", self.network, ("teacher", "student"))

    def choose(self, student: Candidates, teacher: Candidates, units: Units) -> Choice:
        """The same everywhere."""
        shape = student.count.shape if units.of_row is None else (units.count,)
        won = torch.full(shape, self.network == "teacher", device=student.cost.device)
        zero = torch.zeros_like(won, dtype=torch.float64)
        return Choice(units.spread(won), torch.ones_like(won), zero, zero)
