"""Runs the recipe on a few scenes, for tests that need processes of their own."""

import json
import os
import sys
from pathlib import Path

import torch

from examples.recipe import sources
from examples.recipe.options import Options
from examples.recipe.train import train
from examples.recipe.world import joined


def main(folder, options, cache=None, save_every=2):
    torch.set_num_threads(1)
    sources.SCENES = dict.fromkeys(sources.SCENES, 24)
    with joined("cpu") as world:
        made = Options(**json.loads(options))
        train(made, Path(folder), world=world, cache=cache and Path(cache), save_every=int(save_every))


if __name__ == "__main__":
    main(*sys.argv[1:])
    os._exit(0)  # gloo's threads may outlive the interpreter
