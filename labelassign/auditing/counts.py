"""Records of counts: they add up over batches, worker processes and ranks."""

from __future__ import annotations

import functools
import operator
from collections.abc import Mapping
from typing import Any, Self

import torch
from torch import Tensor

from labelassign.structures.record import Record


class Counts(Record):
    """Base of frozen records of integer tensors whose sum is the record of both inputs; exact in any grouping."""

    __slots__ = ()

    def __add__(self, other: object) -> Self:
        if not isinstance(other, type(self)):
            return NotImplemented
        mine, theirs = self._fields(), other._fields()
        return type(self)(**{name: mine[name] + theirs[name] for name in mine})

    def __radd__(self, other: object) -> Self:
        """Let `sum(records)` start from its 0."""
        if isinstance(other, int) and other == 0:
            return self
        return NotImplemented

    def reduce(self, group: Any = None) -> Self:
        """The sum over the ranks of torch.distributed, in their order, on each of them; this record where it is not up.

        Every rank must call it. It waits for the device.
        """
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return self
        parts: list[Any] = [None] * torch.distributed.get_world_size(group)
        torch.distributed.all_gather_object(parts, self.to("cpu"), group=group)
        return functools.reduce(operator.add, parts).to(self._device)

    def to_dict(self) -> dict[str, Any]:
        """Numbers and lists of numbers, as `json` takes them (waits for the device)."""
        return {name: value.tolist() for name, value in self._fields().items()}

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """The record that `to_dict` described, on the CPU."""
        return cls(**{name: torch.tensor(value, dtype=torch.int64) for name, value in fields.items()})

    @property
    def _device(self) -> torch.device:
        return next(value.device for value in self._fields().values() if isinstance(value, Tensor))
