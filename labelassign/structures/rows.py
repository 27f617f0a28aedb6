"""Rows of ground truth that make no sense: finding, refusing and dropping them."""

from __future__ import annotations

from typing import TypeAlias

import torch
from torch import Tensor

from labelassign import checks
from labelassign.geometry import is_rotated

Parts: TypeAlias = tuple[Tensor, Tensor, Tensor, Tensor]
"""boxes [G, 4] or [G, 5], labels [G], offsets [B + 1], ignore [G]."""


def _sides(boxes: Tensor) -> Tensor:
    """Width and height as given; NaN or infinite where a number of the box is (or where they are beyond float32)."""
    if is_rotated(boxes):
        return boxes[:, 2:4] + 0 * (boxes[:, :2] + boxes[:, 4:])
    return boxes[:, 2:] - boxes[:, :2]


def well_formed(boxes: Tensor, labels: Tensor, num_classes: int | None) -> Tensor:
    """Rows with finite boxes, corners in order, and a label in range `[G]`; zero area is allowed."""
    ordered = boxes[:, 2:4] >= (0 if is_rotated(boxes) else boxes[:, :2])
    sound = torch.isfinite(boxes).all(-1) & ordered.all(-1) & (labels >= 0)
    return sound if num_classes is None else sound & (labels < num_classes)


def surely_well_formed(boxes: Tensor, labels: Tensor, num_classes: int | None) -> bool:
    """Whether a quick look finds all rows well formed; False may be wrong (sides beyond float32). Reads values."""
    if not boxes.shape[0]:
        return True
    short, long = torch.aminmax(_sides(boxes))
    low, high = torch.aminmax(labels)
    in_range = int(low) >= 0 and (num_classes is None or int(high) < num_classes)
    return in_range and float(short) >= 0 and float(long) < float("inf")  # what is not finite shows in a side


def image_of(offsets: Tensor, rows: int) -> Tensor:
    """The image that owns each row `[G]`; padding rows name the last image."""
    every = torch.arange(rows, device=offsets.device)
    found = torch.searchsorted(offsets[1:].contiguous(), every, right=True)
    return found.clamp(max=max(offsets.shape[0] - 2, 0))


def in_use(offsets: Tensor, rows: int) -> Tensor:
    """Rows that are not padding `[G]`."""
    return torch.arange(rows, device=offsets.device) < offsets[-1]


def usable(boxes: Tensor, labels: Tensor, offsets: Tensor, ignore: Tensor, num_classes: int | None) -> Tensor:
    """Rows that may own priors `[G]`: not padding, not ignored, well formed."""
    return in_use(offsets, boxes.shape[0]) & ~ignore & well_formed(boxes, labels, num_classes)


def settle(who: str, parts: Parts, num_classes: int | None, on_bad_box: str) -> Parts:
    """Refuse, drop or ignore bad rows; where values may not be looked at, assigners mask them instead."""
    checks.choice(who, "on_bad_box", on_bad_box, ("raise", "drop", "ignore"))
    boxes, labels, offsets, ignore = parts
    if not checks.values_visible(boxes):
        return parts
    bad = ~well_formed(boxes, labels, num_classes)
    if on_bad_box == "raise":
        refuse_bad_rows(who, boxes, labels, offsets, bad, num_classes)
    return drop_rows(parts, bad) if on_bad_box == "drop" else (boxes, labels, offsets, ignore | bad)


def refuse_bad_rows(
    who: str, boxes: Tensor, labels: Tensor, offsets: Tensor, bad: Tensor, num_classes: int | None
) -> None:
    """Raise for the first bad row, naming image, row and value; the caller has made sure that values may be seen."""
    if not bool(bad.any()):
        return
    row = int(bad.nonzero()[0])
    image = int(torch.searchsorted(offsets[1:].contiguous(), torch.tensor(row), right=True))
    classes = "0 or more" if num_classes is None else f"0..{num_classes - 1}"
    order = "w >= 0 and h >= 0" if is_rotated(boxes) else "x1 <= x2 and y1 <= y2"
    expected = f"finite boxes with {order}, and labels {classes}"
    got = f"box {boxes[row].tolist()} with label {int(labels[row])} in image {image}, row {row - int(offsets[image])}"
    more = int(bad.sum()) - 1
    fix = 'Mend the annotation, or use on_bad_box="drop" or "ignore" in a `GroundTruth.from_*` constructor.'
    checks.fail(who, expected, got + (f" (and {more} more)" if more else ""), fix)


def drop_rows(parts: Parts, bad: Tensor) -> Parts:
    """The same parts without the bad rows."""
    boxes, labels, offsets, ignore = parts
    kept = torch.cat([offsets.new_zeros(1), (~bad).cumsum(0)])
    return boxes[~bad], labels[~bad], kept[offsets], ignore[~bad]
