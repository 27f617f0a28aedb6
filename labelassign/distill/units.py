"""What a criterion decides over: the units of a granularity, and sums over them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from labelassign.ops.candidates.segments import cheapest

GRANULARITIES = ("batch", "image", "gt", "gt_level")


@dataclass(frozen=True)
class Units:
    """Units of one batch.

    Attributes:
        of_row: the unit of each ground truth `[G]`; None where every entry of `[G, L]` is a unit of its own.
        count: number of units (of rows x levels, where `of_row` is None).
        step: training step, for criteria that need it.
        reduce: sum over the processes of `group` (for one unit per batch).
        group: a torch.distributed group; None is the default one.
    """

    of_row: Tensor | None
    count: int
    step: int | Tensor | None = None
    reduce: bool = False
    group: Any = None

    def doubled(self) -> Units:
        """Of two networks' rows, one after the other: the units of the first, then those of the second."""
        rows = None if self.of_row is None else torch.cat([self.of_row, self.of_row + self.count])
        return replace(self, of_row=rows, count=2 * self.count)

    def spread(self, choice: Tensor) -> Tensor:
        """From one value per unit to the entries `[G, 1]` it decides; entries that are units pass through."""
        return choice if self.of_row is None else choice[self.of_row, None]

    def mean(self, value: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and number of the counted entries of each unit, over all processes; mean 0 without any."""
        if self.of_row is None:
            return torch.where(counted, value, 0.0), counted.double()
        zeros = torch.zeros(self.count, dtype=torch.float64, device=value.device)
        number = zeros.index_add(0, self.of_row, counted[:, 0].double())
        total = zeros.index_add(0, self.of_row, torch.where(counted, value, 0.0)[:, 0])
        return self._combine(total, number)

    def median(self, value: Tensor, counted: Tensor) -> tuple[Tensor, Tensor]:
        """Median and number of the counted entries of each unit; over processes, the mean of medians by number."""
        if self.of_row is None:
            return self.mean(value, counted)
        unit = torch.where(counted[:, 0], self.of_row, self.count)
        rows = value.shape[0]
        order = cheapest(unit, value[:, 0], self.count, rows)
        number = (order >= 0).sum(1)
        ordered = value[order.clamp(min=0), 0]
        half = torch.stack([(number - 1).clamp(min=0) // 2, number // 2], 1).clamp(max=rows - 1)
        middle = ordered.gather(1, half).mean(1)
        return self._combine(torch.where(number > 0, middle * number, 0.0), number.double())

    def _combine(self, total: Tensor, number: Tensor) -> tuple[Tensor, Tensor]:
        if self.reduce and torch.distributed.is_available() and torch.distributed.is_initialized():
            both = torch.stack([total, number])
            torch.distributed.all_reduce(both, group=self.group)
            total, number = both
        return total / number.clamp(min=1), number
