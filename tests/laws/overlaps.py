"""Overlaps, claims and reasons of one image at a time, in NumPy: what the definitions of the methods share."""

from dataclasses import dataclass

import numpy as np

from labelassign import Reason

f32 = np.float32


@dataclass(frozen=True)
class Image:
    """One image: its priors, which of them are valid, and its objects with their row numbers."""

    priors: np.ndarray
    valid: np.ndarray
    rows: list[int]
    objects: np.ndarray


def images(scene):
    gt, priors = scene.gt, scene.priors
    offsets, ignore = gt.offsets.tolist(), gt.ignore.tolist()
    for i in range(gt.num_images):
        boxes = (priors.boxes if priors.boxes.dim() == 2 else priors.boxes[i]).numpy()
        valid = np.ones(len(boxes), bool) if priors.valid is None else priors.valid[i].numpy()
        rows = [row for row in range(offsets[i], offsets[i + 1]) if not ignore[row]]
        yield i, Image(boxes, valid, rows, gt.boxes[rows].numpy())


def iou(a, b):
    """float32, [len(a), len(b)]."""
    a, b = a[:, None], b[None]
    sides = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), f32(0))
    inner = sides[..., 0] * sides[..., 1]
    areas = [(x[..., 2] - x[..., 0]) * (x[..., 3] - x[..., 1]) for x in (a, b)]
    union = areas[0] + areas[1] - inner
    return np.where(union > 0, inner / np.where(union > 0, union, f32(1)), f32(0))


def overlaps(image):
    """IoU of every object with every prior, -1 for invalid priors, and the best of each object (-1 without priors)."""
    found = np.where(image.valid, iou(image.objects, image.priors), f32(-1)) if image.rows else np.zeros((0, 1), f32)
    return found, found.max(1, initial=-1)


def claims(assigner, image):
    """Which priors each object may claim because they are its best [rows, N]."""
    found, best = overlaps(image)
    needy = (best >= getattr(assigner, "min_pos_iou", 0.0)) & ((best > 0) | (assigner.zero_rescues & (best == 0)))
    wanted = (found == best[:, None]) & needy[:, None] & image.valid
    if not getattr(assigner, "all_ties", True):
        wanted &= np.cumsum(wanted, 1) == 1
    return wanted & (assigner.low_quality != "off")


def expect(a, row, *true):
    reason = Reason(int(a.reason[row]))
    assert reason in true, f"row {row} has the reason {reason.name}, not {' or '.join(t.name for t in true)}"
