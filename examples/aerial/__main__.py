"""Run the demonstration: `python -m examples.aerial`, or `make demo`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from examples.aerial import data
from examples.aerial.evaluate import average_precision
from examples.aerial.report import Tile, pictures, table
from examples.aerial.train import Options, train


def main() -> None:
    """Fetch the images, train two detectors together, and show what the assigners make of a held-out tile."""
    parser = argparse.ArgumentParser(prog="python -m examples.aerial", description=main.__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="time to train (default 60; at least 20 steps)")
    parser.add_argument("--steps", type=int, help="train so many steps instead, which repeats a run exactly")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("demo_output"), help="folder for the pictures")
    parser.add_argument("--device", default="cpu")
    chosen = parser.parse_args()

    print(data.ATTRIBUTION)
    scenes = data.load()
    networks, steps = train(scenes, Options(chosen.seconds, chosen.steps, chosen.seed, chosen.device))
    scene = next(scene for scene in scenes if scene.name == data.HELD_OUT)
    found = [f"{average_precision(network, scene, chosen.device):.2f}" for network in networks]
    print(f"{steps} steps. AP50 on the held-out part of one image: network A {found[0]}, network B {found[1]}.")

    tile = Tile.predicted(scenes, networks, chosen.device)
    Console(width=None if sys.stdout.isatty() else 120).print(table(tile))
    print("PAA: network A decides. LAD: network B. CoLAD: for every object the one whose costs differ more (std/mean).")
    print("Predicted boxes: those of network A.")
    for path in pictures(tile, chosen.out):
        print(path)


if __name__ == "__main__":
    main()
