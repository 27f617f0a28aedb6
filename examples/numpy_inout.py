"""A detector without PyTorch: NumPy arrays go in, NumPy arrays come out, and NumPy trains on them.

Linear scores and boxes from colour statistics around every anchor; the gradients are written out. Where JAX is
installed, its arrays take the same way. Run it: `python -m examples.numpy_inout`
"""

from __future__ import annotations

import argparse
import importlib.util

import numpy as np

import labelassign as la
from examples.common import crops

STRIDE, SIDE = 8, 32
STDS = np.array([0.1, 0.1, 0.2, 0.2])
Arrays = dict[str, np.ndarray]


def anchors(height: int, width: int) -> np.ndarray:
    """Squares of 32 pixels, 8 pixels apart [N, 4]."""
    y, x = np.meshgrid(np.arange(STRIDE / 2, height, STRIDE), np.arange(STRIDE / 2, width, STRIDE), indexing="ij")
    centre = np.stack([x, y, x, y], -1).reshape(-1, 4)
    return (centre + SIDE / 2 * np.array([-1, -1, 1, 1])).astype(np.float32)


def features(pixels: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Mean colour of 5 x 5 windows around every anchor, and a constant [N, F]."""
    total = np.zeros((pixels.shape[0] + 1, pixels.shape[1] + 1, 3))
    total[1:, 1:] = (pixels / 255).cumsum(0).cumsum(1)
    centre, columns = (boxes[:, :2] + boxes[:, 2:]) / 2, []
    for dy in (-16, -8, 0, 8, 16):
        for dx in (-16, -8, 0, 8, 16):
            middle = centre + np.array([dx, dy])
            low = np.clip(middle - 6, 0, np.array(pixels.shape[1::-1]) - 2).astype(int)
            high = np.clip(middle + 6, low + 1, pixels.shape[1::-1]).astype(int)
            (x1, y1), (x2, y2) = low.T, high.T
            area = ((x2 - x1) * (y2 - y1))[:, None]
            columns.append((total[y2, x2] - total[y1, x2] - total[y2, x1] + total[y1, x1]) / area)
    stacked = np.concatenate(columns, 1)
    return np.concatenate([(stacked - stacked.mean(0)) / stacked.std(0), np.ones((len(boxes), 1))], 1)


def decode(boxes: np.ndarray, deltas: np.ndarray) -> np.ndarray:
    """Boxes from offsets of centre and log size."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2 + deltas[..., :2] * STDS[:2] * SIDE
    half = SIDE / 2 * np.exp(deltas[..., 2:] * STDS[2:])
    return np.concatenate([centre - half, centre + half], -1)


def encode(boxes: np.ndarray, objects: np.ndarray) -> np.ndarray:
    """The inverse of `decode`."""
    centre = ((objects[..., :2] + objects[..., 2:]) - (boxes[:, :2] + boxes[:, 2:])) / 2 / SIDE
    return np.concatenate([centre, np.log((objects[..., 2:] - objects[..., :2]) / SIDE)], -1) / STDS


def assign(grid: np.ndarray, predicted: np.ndarray, logits: np.ndarray, objects: list[Arrays]) -> dict[str, np.ndarray]:
    """The assignment as arrays; any library that speaks DLPack may call this."""
    # --- assignment
    priors = la.Priors.from_boxes(grid)
    gt = la.GroundTruth.from_list(objects)
    mine = la.Predictions.from_arrays(predicted, logits=logits)
    assignment = la.PAA()(priors, gt, mine)
    target = assignment.targets(gt, background=1)
    overlap = assignment.overlap(mine.boxes, gt)
    # --- end
    return {**assignment.numpy(), "boxes": target.boxes.numpy(), "overlap": overlap.numpy()}


def train(steps: int) -> None:
    """Full gradient descent; every step assigns anew."""
    pixels, objects = crops()
    grid = anchors(*pixels.shape[1:3])
    x = np.stack([features(image, grid) for image in pixels])
    scores, sizes, losses = np.zeros(x.shape[-1]), np.zeros((x.shape[-1], 4)), []
    scores[-1] = -2.0
    for number in range(steps):
        logits, deltas = x @ scores, x @ sizes
        answer = assign(grid, decode(grid, deltas), logits[..., None], objects)
        positive, weight = answer["gt_index"] >= 0, answer["cls_weight"]
        chance = 1 / (1 + np.exp(-logits))
        entropy = -(weight * np.log(np.where(positive, chance, 1 - chance))).sum()
        wanted = encode(grid, np.where(positive[..., None], answer["boxes"], grid))
        error = (deltas - wanted) * positive[..., None]
        losses.append((entropy + 0.5 * (error**2).sum()) / positive.sum())
        scores -= 0.3 * np.einsum("bn,bnf->f", weight * (chance - positive), x) / weight.sum()
        sizes -= 0.02 * np.einsum("bnd,bnf->fd", error, x) / positive.sum()
        if number in (0, steps - 1):
            describe("before" if number == 0 else "after", answer)
    print(f"  loss {losses[0]:.3f} -> {losses[-1]:.3f} in {steps} steps")
    if importlib.util.find_spec("jax"):
        compare_jax(grid, decode(grid, deltas), logits[..., None], objects, answer)


def describe(when: str, answer: Arrays) -> None:
    """One line about an assignment."""
    owner, served = answer["gt_index"], answer["reason"] == la.Reason.FINE
    positive = owner >= 0
    print(
        f"  {when:6} {positive.sum() / served.sum():5.2f} positives for each of {served.sum()} objects, "
        f"predicted boxes overlap {answer['overlap'][positive].mean():.3f}"
    )


def compare_jax(
    grid: np.ndarray, predicted: np.ndarray, logits: np.ndarray, objects: list[Arrays], answer: Arrays
) -> None:
    """The same call with JAX arrays."""
    import jax.numpy as jnp

    there = [{key: jnp.asarray(value) for key, value in image.items()} for image in objects]
    same = assign(jnp.asarray(grid), jnp.asarray(predicted), jnp.asarray(logits), there)
    agree = (same["gt_index"] == answer["gt_index"]).mean()
    print(f"  JAX arrays (float32): {agree:.1%} of the owners equal those from NumPy arrays (float64)")


def main() -> None:
    """Train, and say what changed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=60)
    train(parser.parse_args().steps)


if __name__ == "__main__":
    main()
