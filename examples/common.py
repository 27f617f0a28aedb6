"""What the examples share: four fixed crops of one real image, a loop that trains on them, and what it prints."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

import labelassign as la
from examples.aerial import data
from labelassign.adapters import Handle

SIZE = 256


def crops() -> tuple[np.ndarray, list[dict[str, np.ndarray]]]:
    """The corners of one 400 x 400 image: uint8 pixels [4, 256, 256, 3], and their objects for `from_list`."""
    scene = next(scene for scene in data.load() if scene.name == "OSBS_029")
    height, width = scene.pixels.shape[:2]
    corners = [(x, y) for y in (0, height - SIZE) for x in (0, width - SIZE)]
    parts = [data.window(scene, x, y, SIZE, SIZE) for x, y in corners]
    return np.stack([pixels for pixels, _ in parts]), [objects for _, objects in parts]


def describe(when: str, assignment: la.Assignment, mine: la.Predictions, gt: la.GroundTruth) -> str:
    """Positives per object, objects without any, and the overlap of the positives' predicted boxes."""
    real = ~gt.ignore
    count = assignment.per_gt_count[real]
    overlap = assignment.overlap(mine.boxes.detach(), gt)[assignment.positive]
    return (
        f"  {when:6} {float(count.float().mean()):5.2f} positives per object, {int((count == 0).sum())} of "
        f"{int(real.sum())} objects without any, predicted boxes overlap {float(overlap.mean()):.3f}"
    )


def steps_asked(text: str | None, default: int) -> int:
    """How many steps the command line asks for; `text` is its help."""
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=default)
    return parser.parse_args().steps


def learn(handle: Handle, loss_of: Callable[[Any], Tensor], steps: int, rate: float) -> None:
    """Train the handle's model for some steps; say what its assigner decided in the first and in the last one."""
    print(type(handle.assigner).__name__)
    optimizer = torch.optim.AdamW(handle.model.parameters(), lr=rate)
    for step in range(steps):
        loss = loss_of(handle.model)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step in (0, steps - 1):
            print(told("after" if step else "before", handle.stats, float(loss.detach())))


def told(when: str, stats: dict[str, float], loss: float) -> str:
    """A line about one step."""
    return (
        f"  {when:6} {stats['positives_per_object']:5.2f} positives per object, "
        f"{stats['objects_without']} of {stats['objects']} objects without any, loss {loss:.3f}"
    )
