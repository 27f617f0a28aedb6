"""All that changes while a run trains: networks, optimizer, average, step, and what was measured."""

from __future__ import annotations

import math
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from examples.recipe.checkpoints import load_state, save_state
from examples.recipe.model import Detector
from examples.recipe.options import Options

WARM_UP, DECAY, CLIP = 50, 0.99, 10.0  # steps; of the average's old weights; largest norm of the gradient


class State:
    """What a checkpoint holds; whatever is not in here follows from the options.

    Attributes:
        networks: one, or CoLAD's two.
        ema: the running average of the first one's weights, if it is asked for.
        step: the next one.
        spent: CPU seconds of this process, by name.
        rows: the log.
        before: owners of the probe's priors when it was looked at last.
    """

    def __init__(self, options: Options, channels: int, classes: int, device: str) -> None:
        """New networks from the seed."""
        self.options = options
        members = (0, 1) if options.arm().networks == 2 else (options.member,)
        self.networks = [made(options.size, channels, classes, (options.seed, member)).to(device) for member in members]
        weights = [each for network in self.networks for each in network.parameters()]
        self.optimizer = torch.optim.AdamW(weights, lr=options.rate, weight_decay=0.01)
        averaging = options.teacher == "ema"
        self.ema = AveragedModel(self.networks[0], multi_avg_fn=get_ema_multi_avg_fn(DECAY)) if averaging else None
        self.step = 0
        self.spent: dict[str, float] = {}
        self.rows: list[dict[str, float]] = []
        self.before: Tensor | None = None

    def update(self, loss: Tensor) -> None:
        """One step down, with a learning rate that rises for a while and falls to nothing as a cosine does."""
        done = self.step / self.options.steps
        rate = self.options.rate * min(1.0, (self.step + 1) / WARM_UP) * (1 + math.cos(math.pi * done)) / 2
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        for network in self.networks:
            torch.nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        self.optimizer.step()
        if self.ema is not None:
            self.ema.update_parameters(self.networks[0])
        self.step += 1

    @contextmanager
    def clock(self, name: str) -> Generator[None]:
        """Count the CPU seconds spent inside."""
        start = time.process_time()
        try:
            yield
        finally:
            self.spent[name] = self.spent.get(name, 0.0) + time.process_time() - start

    def save(self, path: Path) -> None:
        """Write a checkpoint, as a whole or not at all."""
        kept: dict[str, Any] = {
            "options": self.options.to_dict(),
            "networks": [network.state_dict() for network in self.networks],
            "optimizer": self.optimizer.state_dict(),
            "ema": None if self.ema is None else self.ema.state_dict(),
            **{name: getattr(self, name) for name in ("step", "spent", "rows", "before")},
        }
        save_state(path, kept)

    def restore(self, path: Path) -> None:
        """Go on from a checkpoint of the same options."""
        kept = load_state(path)
        if kept["options"] != self.options.to_dict():
            changed = {k: (kept["options"].get(k), v) for k, v in self.options.to_dict().items()}
            told = ", ".join(f"{k} was {a}, is {b}" for k, (a, b) in changed.items() if a != b)
            raise SystemExit(f"{path} is of a run with other options ({told}): choose another --out, or remove it")
        for network, weights in zip(self.networks, kept["networks"], strict=True):
            network.load_state_dict(weights)
        self.optimizer.load_state_dict(kept["optimizer"])
        if self.ema is not None:
            self.ema.load_state_dict(kept["ema"])
        for name in ("step", "spent", "rows", "before"):
            setattr(self, name, kept[name])


def made(size: str, channels: int, classes: int, seed: tuple[int, int]) -> Detector:
    """A network whose weights follow from the seed; the generator of everybody else is left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed[0] * 1000 + seed[1])
        return Detector(channels, classes, size).to(memory_format=torch.channels_last)


def finished(folder: Path) -> tuple[Options, dict[str, Tensor]]:
    """The options and the first network's weights of a run that has ended."""
    path = folder / "model.pt"
    if not path.exists():
        raise SystemExit(f"{folder}: a finished run has a model.pt, which is not there; train the teacher first")
    kept = load_state(path)
    return Options.from_dict(kept["options"]), kept["weights"]
