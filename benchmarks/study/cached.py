"""What a cached teacher costs: `python -m benchmarks.study.cached` trains four arms in turns and keeps their times.

PAA by the PyTorch reference, PAA as it is, LAD that asks its teacher, LAD whose teacher's decisions are kept. All start
from the second epoch, so that the cache is filled.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.study.jobs import HERE
from benchmarks.study.results import versions
from examples.recipe.checkpoints import load_state, save_json
from examples.recipe.options import Options
from examples.recipe.state import State
from examples.recipe.train import train

RESULT = HERE / "cached.json"
EPOCH, TURN, TURNS = 100, 20, 5  # steps
PARTS = ("train", "assignment", "teacher")


class Enough(Exception):
    """A turn has ended."""


def turn(options: Options, folder: Path, steps: int, cache: Path | None, path: str) -> dict[str, float]:
    """Train up to that step; CPU milliseconds per step of this turn, by part."""
    before = load_state(folder / "state.pt") if (folder / "state.pt").exists() else {"spent": {}, "step": 0}

    def after(state: State) -> None:
        if state.step == steps:
            state.save(folder / "state.pt")
            raise Enough

    os.environ["LABELASSIGN_PATH"] = path
    try:
        train(options, folder, cache=cache, save_every=0, after=after)
    except Enough:
        pass
    finally:
        del os.environ["LABELASSIGN_PATH"]
    spent, count = load_state(folder / "state.pt")["spent"], steps - before["step"]
    return {name: 1e3 * (spent.get(name, 0.0) - before["spent"].get(name, 0.0)) / count for name in PARTS}


def measure(work: Path) -> dict[str, Any]:
    """Medians over the turns, of every arm."""
    long = Options(steps=10 * EPOCH)
    train(Options(steps=EPOCH, size="large", seed=9), work / "teacher")
    taught = replace(long, assign="lad", teacher=str(work / "teacher"))
    arms = {
        "PAA, reference": (long, None, "reference"),
        "PAA": (long, None, ""),
        "LAD": (taught, None, ""),
        "LAD, cached": (taught, work / "cache", ""),
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in arms}
    for i in range(TURNS + 1):
        for name, (options, cache, path) in arms.items():
            told = turn(options, work / name, EPOCH + i * TURN, cache, path)
            found[name] += [told] if i else []  # the first epoch fills the cache
    equal = _weights(work / "LAD") == _weights(work / "LAD, cached")
    times = {
        name: {part: round(median(each[part] for each in turns), 3) for part in PARTS} for name, turns in found.items()
    }
    return {"cpu_ms_per_step": times, "same_weights": equal, "turns": TURNS, "steps_per_turn": TURN, **versions()}


def _weights(folder: Path) -> list[bytes]:
    networks = load_state(folder / "state.pt")["networks"]
    return [value.numpy().tobytes() for network in networks for value in network.values()]


if __name__ == "__main__":
    torch.set_num_threads(1)
    with TemporaryDirectory() as scratch:
        result = measure(Path(scratch))
    save_json(RESULT, result)
    print(RESULT.read_text("utf-8"))
    sys.exit(0)
