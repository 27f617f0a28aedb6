"""Who decides: the network itself, two that train together, a frozen teacher, its kept answers, or an average."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

import labelassign as la
from examples.recipe.data import Batch
from examples.recipe.model import Heads, look
from examples.recipe.options import Options
from examples.recipe.state import State, finished, made

RANDOM = 77  # which initial weights a "random" teacher has


class Decider:
    """Assigns batch after batch; `cache` keeps a frozen teacher's answers in that folder."""

    def __init__(self, options: Options, state: State, ranks: int, cache: Path | None, device: str) -> None:
        """Load the teacher, if there is one."""
        self.state, self.arm, self.taught_steps = state, options.arm(ranks), options.taught_steps
        self.teacher = _teacher(options, state, device) if self.arm.teacher else None
        self.cache, self.mirror = None, None
        if cache is not None:
            if self.teacher is None or self.arm.soft is not None or options.teacher == "ema" or self.taught_steps:
                raise SystemExit("--cache keeps the decisions of a frozen teacher: it needs --assign lad and --teacher")
            self.cache = la.AssignmentCache(cache, self.arm.assigner, self.teacher)

    def __call__(self, batch: Batch, priors: la.Priors, said: list[Heads]) -> tuple[la.Assignment, Heads | None]:
        """The assignment of a batch, and what the teacher said if its outputs are to be learned."""
        state, arm = self.state, self.arm
        if self.cache is not None:
            return self._kept(batch, priors), None
        mine, other = said[0].predictions, said[1].predictions if len(said) == 2 else None
        theirs = None
        if self.teacher is not None:
            over = self.taught_steps is not None and state.step >= self.taught_steps
            theirs = None if over else self._asked(batch.images)
            other = mine if theirs is None else theirs.predictions  # nobody looks at it when the student decides
        with state.clock("assignment"):
            return arm.assigner(priors, batch.gt, mine, teacher=other, step=state.step), theirs

    def _asked(self, images: torch.Tensor) -> Heads:
        assert self.teacher is not None
        with self.state.clock("teacher"), torch.no_grad():
            return look(self.teacher, images)[1]

    def _kept(self, batch: Batch, priors: la.Priors) -> la.Assignment:
        """The kept answer; what is kept is that of the image before it was mirrored."""
        assert self.cache is not None

        def compute() -> la.Assignment:
            theirs = self._asked(batch.straight).predictions
            return self.arm.assigner(priors, batch.straight_gt, teacher=theirs)

        with self.state.clock("assignment"):
            found = self.cache(batch.names, priors, batch.straight_gt, compute)
            if not bool(batch.mirrored.any()):
                return found
            if self.mirror is None:  # all images are of one size
                self.mirror = la.Mirror(priors, batch.images.shape[-1])
            return self.mirror(found, batch.mirrored)


def _teacher(options: Options, state: State, device: str) -> nn.Module:
    """The network that is asked: never trained, without gradient."""
    if options.teacher == "ema":
        assert state.ema is not None
        return state.ema.eval()
    first = state.networks[0]
    channels, classes = first.stem[0].in_channels, first.cls.out_channels
    if options.teacher == "random":
        network = made(options.size, channels, classes, (options.seed, RANDOM))
    else:
        theirs, weights = finished(Path(str(options.teacher)))
        network = made(theirs.size, channels, classes, (0, 0))
        network.load_state_dict(weights)
    return network.to(device).eval().requires_grad_(False)
