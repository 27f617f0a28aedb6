"""Train one run: `python -m examples.recipe --assign lad --teacher runs/large`; with several processes by torchrun."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

import torch

from examples.recipe import arms
from examples.recipe.logs import Log
from examples.recipe.model import SIZES
from examples.recipe.options import Options
from examples.recipe.train import train
from examples.recipe.world import joined

HELP = {
    "data": '"digits" (scenes of real scans), "trees" (aerial photographs), or a folder in COCO\'s format',
    "side": "of the squares that a COCO folder's images become, in pixels",
    "assign": "who decides what is learned",
    "base": "the assigner inside lad, solad, soft and colad",
    "topk": "candidates of ATSS on every level",
    "criterion": "of CoLAD: which network is the better judge",
    "granularity": "of CoLAD: what is decided at once",
    "box_weight": "weight of positives in the box loss: their overlap, or all alike",
    "teacher": 'folder of a finished run, "ema" (of this run\'s own weights) or "random"',
    "taught": "share of the steps in which the teacher of lad decides",
    "size": "of the network",
    "seed": "of data order, mirroring and initial weights",
    "member": "which initial weights of that seed: 1 are those of CoLAD's second network",
    "steps": "how long",
    "batch": "images in every step, over all processes",
    "rate": "highest learning rate",
    "mirror": "mirror half of the images left to right",
}
CHOICES = {
    "assign": arms.NAMES,
    "base": tuple(arms.BASES),
    "criterion": tuple(arms.CRITERIA),
    "granularity": ("batch", "image", "gt", "gt_level"),
    "box_weight": ("iou", "num_pos"),
    "size": tuple(SIZES),
}


def parser() -> argparse.ArgumentParser:
    """The command line: one option for each field of `Options`, and where to run."""
    made = argparse.ArgumentParser(prog="python -m examples.recipe", description=__doc__)
    for each in fields(Options):
        flag, told = f"--{each.name.replace('_', '-')}", HELP[each.name]
        if isinstance(each.default, bool):
            made.add_argument(flag, action="store_true", help=told)
        else:
            kind = str if each.default is None else type(each.default)
            shown = "" if each.default is None else f" (default: {each.default})"
            made.add_argument(flag, type=kind, default=each.default, choices=CHOICES.get(each.name), help=told + shown)
    made.add_argument("--out", type=Path, required=True, help="folder of the run; the same command goes on from there")
    made.add_argument("--cache", type=Path, help="keep the decisions of a frozen teacher in this folder")
    made.add_argument("--save-every", type=int, default=100, help="steps between checkpoints (default: 100)")
    made.add_argument("--eval-every", type=int, default=200, help="steps between evaluations (default: 200)")
    made.add_argument("--workers", type=int, default=0, help="processes that read images (default: none)")
    made.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    made.add_argument("--tensorboard", action="store_true", help="write events too (pip install tensorboard)")
    return made


def main() -> None:
    """Train, show, evaluate."""
    made = parser()
    chosen = vars(made.parse_args())
    try:
        options = Options(**{each.name: chosen.pop(each.name) for each in fields(Options)})
    except ValueError as error:
        made.error(str(error))
    folder, device = chosen.pop("out"), chosen.pop("device")
    with joined(device) as world:
        log = Log(folder, bar=world.first, tensorboard=chosen.pop("tensorboard") and world.first)
        result = train(options, folder, world=world, log=log, **chosen)
        log.end()
        if world.first:
            scores = ", ".join(f"{name} {value:.1f}" for name, value in result["scores"].items())
            print(f"{scores}; {result['cpu_seconds']['train']:.0f} CPU seconds of training; {folder / 'result.json'}")


if __name__ == "__main__":
    main()
