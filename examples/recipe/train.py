"""The loop: look, decide, learn; measured and saved on the way."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from examples.recipe import losses
from examples.recipe.checkpoints import save_json, save_state
from examples.recipe.data import Batch, Order, batches
from examples.recipe.deciding import Decider
from examples.recipe.evaluate import average_precision
from examples.recipe.logs import Log
from examples.recipe.model import Heads, look
from examples.recipe.options import Options
from examples.recipe.probe import Probe
from examples.recipe.sources import Images, open_images
from examples.recipe.state import State
from examples.recipe.world import World

LOGGED = 10  # steps between two lines of the log
Result = dict[str, Any]


def train(
    options: Options,
    folder: Path,
    *,
    world: World | None = None,
    cache: Path | None = None,
    save_every: int = 100,
    eval_every: int = 0,
    workers: int = 0,
    split: str = "test",
    log: Log | None = None,
    after: Callable[[State], None] | None = None,
) -> Result:
    """Train one run, or what is left of it, and evaluate it.

    The folder then holds `model.pt` (the first network), `log.csv` and `result.json`, which is also returned; while
    it trains, `state.pt`, from which the same call goes on.

    Arguments:
        options: what the run is.
        folder: where it lives.
        world: of several processes; the default is one on the CPU.
        cache: keep a frozen teacher's decisions there.
        save_every: steps between checkpoints; 0: none but the last.
        eval_every: steps between evaluations; 0: none but the last.
        workers: processes that read images.
        split: the images on which it is evaluated.
        log: where numbers are shown beside the file.
        after: called after every step.
    """
    world, log = world or World(), log or Log(folder)
    torch.use_deterministic_algorithms(True)
    images, tests = (open_images(options.data, name, options.side) for name in ("train", split))
    state = State(options, images.channels, images.classes, world.device)
    checkpoint = folder / "state.pt"
    if checkpoint.exists():
        state.restore(checkpoint)
    decide = Decider(options, state, world.ranks, cache, world.device)
    learners = [world.spread(network.train()) for network in state.networks]
    probe = Probe(images, decide, options.seed)
    rest, probed = range(state.step, options.steps), LOGGED * max(1, options.steps // (12 * LOGGED))
    order = Order(len(images), options.batch, options.seed, rest, world.rank, world.ranks)
    log.begin(state, options)
    for batch in batches(images, order, options.mirror, workers):
        with state.clock("train"):
            found = _step(batch.to(world.device), state, decide, learners, options)
        if state.step % LOGGED == 0 or state.step == options.steps:
            row = {"step": state.step, **{name: float(value) for name, value in found.items()}}
            row |= probe(state) if state.step % probed == 0 or state.step == options.steps else {}
            row |= _evaluated(state, tests, world) if eval_every and state.step % eval_every == 0 else {}
            state.rows.append(row)
            log.add(row, world.first)
        if save_every and state.step % save_every == 0 and world.first:
            state.save(checkpoint)
        if after is not None:
            after(state)
    return _finish(options, state, folder, tests, world)


def _step(
    batch: Batch, state: State, decide: Decider, learners: list[torch.nn.Module], options: Options
) -> dict[str, Tensor]:
    """One step; what is worth knowing of it."""
    said: list[Heads] = []
    for learner in learners:
        priors, heads = look(learner, batch.images)
        said.append(heads)
    assignment, theirs = decide(batch, priors, [each.detached() for each in said])
    parts: dict[str, Tensor] = {}
    for i, heads in enumerate(said):
        own = losses.hard(heads, assignment, batch.gt, options.box_weight) if decide.arm.hard else {}
        if decide.arm.soft is not None and theirs is not None:
            own |= losses.soft(decide.arm.soft, heads, theirs, batch.gt)
        parts |= {name + ("" if i == 0 else "_second"): value for name, value in own.items()}
    total = torch.stack(list(parts.values())).sum()
    state.update(total)
    told = {"loss": total.detach(), **{name: value.detach() for name, value in parts.items()}}
    wanted = ("student_rho", "teacher_rho", "teacher_share")
    return told | {name: value for name, value in assignment.diagnostics.items() if name in wanted}


def _evaluated(state: State, tests: Images, world: World) -> dict[str, float]:
    """AP of every network; only the first process looks, and the others wait."""
    found: dict[str, float] = {}
    if world.first:
        for i, network in enumerate(state.networks):
            scores = average_precision(network, tests, world.device)
            found |= {name + ("" if i == 0 else "_second"): value for name, value in scores.items()}
    world.wait()
    return found


def _finish(options: Options, state: State, folder: Path, tests: Images, world: World) -> Result:
    result = {
        "options": options.to_dict(),
        "scores": _evaluated(state, tests, world),
        "cpu_seconds": state.spent,
        "parameters": sum(each.numel() for each in state.networks[0].parameters()),
        "rows": [row for row in state.rows if "positives" in row or "AP" in row],
    }
    if world.first:
        state.save(folder / "state.pt")
        save_state(folder / "model.pt", {"options": options.to_dict(), "weights": state.networks[0].state_dict()})
        save_json(folder / "result.json", result)
    world.wait()
    return result
