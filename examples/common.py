"""What the three integrations share: four fixed crops of one real image, and a line about an assignment."""

from __future__ import annotations

import numpy as np

import labelassign as la
from examples.aerial import data

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
