"""What is measured: one detector of one library with the rule that both sides follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

import labelassign as la
from benchmarks.adapters.meter import Place
from labelassign.adapters import Handle

RATE = 1e-6  # so small that both sides stay where they began: every step is one of the same work


@dataclass
class Trainee:
    """One detector, and where its parts are.

    Arguments:
        model: what is trained.
        loss: forward, on the batch: what is learned from.
        network: functions whose answers the loss is worked out from; during replay they compute nothing.
        losing: functions of the library that work out losses, called by both sides.
        assigning: functions of the library that decide which prior learns which object.
        attach: puts an assigner into the model.
        without: what is called inside of `assigning` and only writes down what was decided, or works out losses.
        optimizer: the one that such models are trained with, where gradients of new ones can be huge.
    """

    model: nn.Module
    loss: Callable[[], Tensor]
    network: list[Place]
    losing: list[Place]
    assigning: list[Place]
    attach: Callable[[la.Assigner], Handle]
    without: list[Place] = field(default_factory=list)
    optimizer: type[torch.optim.Optimizer] = torch.optim.SGD

    def __post_init__(self) -> None:
        self._optimizer = self.optimizer([p for p in self.model.parameters() if p.requires_grad], lr=RATE)

    def forward(self) -> Tensor:
        """The loss; samplers and denoising draw the same numbers every time."""
        torch.default_generator.manual_seed(0)  # `torch.manual_seed` also keeps a traceback for every accelerator
        return self.loss()

    def step(self) -> float:
        """One step of training; the loss before it."""
        loss = self.forward()
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return float(loss.detach())


@dataclass(frozen=True)
class Subject:
    """A detector under measurement.

    Arguments:
        name: as tables and `--only` have it.
        package: the distribution whose version counts.
        rule: of ours, equal to the stock one.
        make: from side and number of objects to a trainee; two of the same are equal.
        side: of the images.
        objects: in each image, one run for each number.
    """

    name: str
    package: str
    rule: la.Assigner
    make: Callable[[int, int], Trainee]
    side: int
    objects: tuple[int, ...] = (20,)


def handles(handle: Any) -> list[Handle]:
    """Everything that decides: a one-to-one branch and a second stage have a handle of their own."""
    more = [getattr(handle, name, None) for name in ("one2one", "second")]
    return [handle, *(each for each in more if each is not None)]
