"""Scenes of real handwritten digits: scikit-learn's 8 x 8 scans, pasted over each other and over clutter."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from examples.recipe.checkpoints import written

SIDE, SMALLEST, LARGEST = 96, 9, 46
VERSION = 1  # of the scenes; in the name of the file that keeps them
Objects = dict[str, np.ndarray]


def load(split: str, count: int) -> tuple[np.ndarray, list[Objects]]:
    """`count` scenes of "train", "tune" or "test": uint8 pixels [n, 96, 96, 1] and their objects; made once, kept.

    The scans of the test scenes (every fifth) are in no other scene; "tune" is what settings may be chosen on.
    """
    cache = Path(os.environ.get("LABELASSIGN_CACHE", "~/.cache/labelassign")).expanduser()
    path = cache / f"digits-{VERSION}-{split}-{count}.npz"
    if not path.exists():
        written(path, lambda beside: _kept(beside, _made(split, count)))
    with np.load(path) as kept:
        pixels, ends = kept["pixels"], kept["ends"]
        boxes, labels = (np.split(kept[name], ends[:-1]) for name in ("boxes", "labels"))
    return pixels, [
        {"boxes": b, "labels": n, "ignore": np.zeros(len(n), bool)} for b, n in zip(boxes, labels, strict=True)
    ]


def fingerprint(pixels: np.ndarray, objects: list[Objects]) -> str:
    """The same for the same scenes."""
    found = hashlib.sha256(pixels.tobytes())
    for each in objects:
        found.update(each["boxes"].tobytes() + each["labels"].tobytes())
    return found.hexdigest()[:16]


def _kept(path: Path, parts: dict[str, np.ndarray]) -> None:
    with path.open("wb") as file:  # of a name NumPy would make another one
        np.savez_compressed(file, **parts)


def _made(split: str, count: int) -> dict[str, np.ndarray]:
    from sklearn.datasets import load_digits  # brings scipy, which nobody else here needs

    found: Any = load_digits()
    held_out = np.arange(len(found.target)) % 5 == 0
    chosen = held_out if split == "test" else ~held_out
    scans, classes = found.images[chosen].astype(np.float32) / 16, found.target[chosen]
    seed = {"train": 0, "tune": 1, "test": 2}[split]
    scenes = [_scene(scans, classes, np.random.default_rng((seed, i))) for i in range(count)]
    pixels, boxes, labels = zip(*scenes, strict=True)
    ends = np.cumsum([len(each) for each in labels])
    parts = {"boxes": np.concatenate(boxes), "labels": np.concatenate(labels), "ends": ends}
    return {"pixels": np.stack(pixels)[..., None], **parts}


def _scene(scans: np.ndarray, classes: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """3 to 8 digits, 9 to 46 pixels large, over a slope of light, noise, and pieces of digits that are no objects."""
    down, across = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    slope = rng.uniform(-0.25, 0.25, 2)
    canvas = 0.2 + slope[0] * down + slope[1] * across + rng.normal(0, 0.07, (SIDE, SIDE))
    for _ in range(rng.integers(4, 10)):
        top, left = rng.integers(0, 5, 2)
        piece = scans[rng.integers(len(scans)), top : top + 3, left : left + 3]
        _paste(canvas, _resized(piece, *rng.integers(4, 22, 2)) * rng.uniform(0.4, 0.9), rng, rng.uniform(0.5, 1))
    boxes: list[np.ndarray] = []
    labels: list[int] = []
    wanted = rng.integers(3, 9)
    for _ in range(60):
        if len(boxes) == wanted:
            break
        side, stretch = np.exp(rng.uniform(np.log([SMALLEST, 0.7]), np.log([LARGEST, 1.42])))
        chosen = rng.integers(len(scans))
        digit = _resized(scans[chosen], max(7, round(side * stretch**0.5)), max(6, round(side / stretch**0.5)))
        before = canvas.copy()
        box = _paste(canvas, digit, rng, rng.uniform(0.55, 1.0))
        if boxes and _covered(box, np.stack(boxes)) > 0.45:  # ambiguous, but not hopeless
            canvas = before
            continue
        boxes.append(box)
        labels.append(int(classes[chosen]))
    return (canvas.clip(0, 1) * 255).astype(np.uint8), np.stack(boxes).astype(np.float32), np.array(labels)


def _resized(scan: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(scan).resize((int(width), int(height)), Image.Resampling.BILINEAR))


def _paste(canvas: np.ndarray, digit: np.ndarray, rng: np.random.Generator, light: float) -> np.ndarray:
    """Lay a digit down somewhere; the box of what is seen of it."""
    (height, width), ink = digit.shape, digit > 0.25
    top, left = rng.integers(0, SIDE - height), rng.integers(0, SIDE - width)
    part = canvas[top : top + height, left : left + width]
    part[:] = part * (1 - digit) + digit * light
    rows, columns = (np.flatnonzero(ink.any(axis)) if ink.any() else np.array([0]) for axis in (1, 0))
    return np.array([left + columns[0], top + rows[0], left + columns[-1] + 1, top + rows[-1] + 1], float)


def _covered(box: np.ndarray, others: np.ndarray) -> float:
    """The largest share of the smaller one of two boxes that they have in common."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    areas = [np.prod(each[..., 2:] - each[..., :2], -1) for each in (box, others)]
    return float((sides.clip(0).prod(1) / np.minimum(*areas)).max())
