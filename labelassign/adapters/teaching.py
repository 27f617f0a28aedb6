"""The second network of LAD and CoLAD: run on exactly what the first one saw."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, Self

import torch
from torch import nn

from labelassign.assigners.base import Assigner
from labelassign.distill.colad import CoLAD


def inner(model: nn.Module) -> nn.Module:
    """The model itself, without what wraps it for several processes or for compilation."""
    found: Any = model
    while isinstance(found, (nn.DataParallel, nn.parallel.DistributedDataParallel)) or hasattr(found, "_orig_mod"):
        found = found._orig_mod if hasattr(found, "_orig_mod") else found.module
    return found


def inside(assigner: Assigner) -> list[Assigner]:
    """The assigners that one is made of; none for most."""
    parts = [getattr(assigner, each.name) for each in fields(assigner)] if is_dataclass(assigner) else []
    return [part for part in parts if isinstance(part, Assigner)]


def trains_both(assigner: Assigner) -> bool:
    """Whether `CoLAD` is somewhere inside, whose two networks train together."""
    return isinstance(assigner, CoLAD) or any(map(trains_both, inside(assigner)))


class Shared:
    """A network that copies of the one beside it share: no part of their parameters or state dicts.

    `trains`: it learns from the same assignment (CoLAD). Otherwise it only looks, in eval mode and without gradients.
    """

    def __init__(self, module: nn.Module, trains: bool) -> None:
        """Nothing is changed."""
        self.module, self.trains = module, trains

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The same."""
        return self

    @contextmanager
    def at_work(self) -> Generator[Any]:
        """The network, ready to run: as it is if it trains; else in eval mode, put back afterwards, and no_grad."""
        if self.trains:
            yield self.module
            return
        modes = [(part, part.training) for part in self.module.modules() if part.training]
        try:
            self.module.eval()
            with torch.no_grad():
                yield self.module
        finally:
            for part, mode in modes:
                part.training = mode


class Pair(nn.Module):
    """Two networks of CoLAD as one module, so that one optimizer, one DDP and one state dict hold both.

    Calls go to the first one, whose loss holds the second one's too.

    Example:
        >>> from labelassign.adapters import Pair
        >>> both = Pair(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
        >>> len(list(both.parameters()))
        4
    """

    def __init__(self, student: nn.Module, teacher: nn.Module) -> None:
        """Both become parts of this module."""
        super().__init__()
        self.student, self.teacher = student, teacher

    def forward(self, *args: Any, **options: Any) -> Any:
        """What the first one gives."""
        return self.student(*args, **options)
