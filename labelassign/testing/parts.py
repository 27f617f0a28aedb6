"""The drawn parts of a scene: priors, and objects among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from labelassign.structures import GroundTruth, Priors
from labelassign.testing.networks import LATTICE, on_lattice

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError("labelassign.testing needs Hypothesis: pip install 'labelassign[testing]'") from error

# what Hypothesis passes; its own protocol cannot be checked at run time
Draw: TypeAlias = Callable[..., Any]

HEIGHT, WIDTH = 128, 160
KINDS = ("grid", "points", "proposals")
_STRIDES = ((32, 64), (32, 64, 128), (64, 32), (128,), (40,))
SEEDS = st.integers(0, 2**31 - 1)
# (least corner, range of it, least side, range of it) in pixels; the sides of "flat" are 0 and something
_BOXES = {"usual": (0, 120, 4, 90), "tiny": (0, 150, 0, 2), "huge": (-300, 300, 200, 600), "outside": (200, 300, 1, 90)}


@st.composite
def priors_on(draw: Draw, images: int, kinds: Sequence[str]) -> Priors:
    """Priors of one kind, with levels that may be empty and priors that may be invalid."""
    kind = draw(st.sampled_from(tuple(kinds)))
    if kind == "proposals":
        boxes = _proposals(images, draw(st.integers(1, 24)), draw(SEEDS))
        # of any size, as if each came from another level
        strides = 2.0 ** torch.randint(4, 8, boxes.shape[1:2], generator=torch.Generator().manual_seed(images))
        made = Priors.from_boxes(boxes, strides=strides)
    elif kind == "points":
        made = Priors.points(image_size=(HEIGHT, WIDTH), strides=draw(st.sampled_from(_STRIDES)))
    else:
        scale, ratios = draw(st.sampled_from((1, 2, 4))), draw(st.sampled_from(((1.0,), (0.5, 1.0, 2.0))))
        strides = draw(st.sampled_from(_STRIDES))
        made = Priors.grid(image_size=(HEIGHT, WIDTH), strides=strides, scale=scale, ratios=ratios)
    levels = draw(st.sampled_from((made.level_sizes, (0, *made.level_sizes))))
    valid = draw(st.sampled_from(("all", "some", "none of one image")))
    if valid == "all":
        return replace(made, boxes=on_lattice(made.boxes), level_sizes=levels)
    mask = torch.rand(images, made.count, generator=torch.Generator().manual_seed(draw(SEEDS))) < 0.8
    if valid != "some":
        mask[0] = False
    return replace(made, boxes=on_lattice(made.boxes), level_sizes=levels, valid=mask)


def _proposals(images: int, number: int, seed: int) -> Tensor:
    random = torch.Generator().manual_seed(seed)
    corner = torch.rand(images, number, 2, generator=random) * torch.tensor([WIDTH, HEIGHT])
    side = (torch.randn(images, number, 2, generator=random) * 30).clamp(min=0)
    return torch.cat([corner, corner + side], -1)


@st.composite
def _box(draw: Draw, priors: Tensor, others: list[list[float]]) -> list[float]:
    kind = draw(st.sampled_from(("usual", "usual", "usual", "prior", "again", "flat", "tiny", "huge", "outside")))
    if kind == "again" and others:
        return others[-1]
    if kind == "prior":
        return priors[draw(st.integers(0, priors.shape[0] - 1))].tolist()
    low, reach, least, more = _BOXES.get(kind, _BOXES["usual"])
    corner, side = st.integers(0, int(reach * LATTICE)), st.integers(0, int(more * LATTICE))
    x, y = (low + draw(corner) / LATTICE for _ in "xy")
    width, height = (least + draw(side) / LATTICE for _ in "xy")
    return [x, y, x + width * (kind != "flat"), y + height]


@st.composite
def objects_of(draw: Draw, priors: Priors, images: int, max_objects: int, classes: int) -> GroundTruth:
    """Objects of every image, with ignored regions and padding rows."""
    label, ignored = st.integers(0, classes - 1), st.sampled_from((False,) * 6 + (True,))
    found: list[dict[str, object]] = []
    for image in range(images):
        seen = priors.boxes if priors.boxes.dim() == 2 else priors.boxes[image]
        boxes: list[list[float]] = []
        for _ in range(draw(st.integers(0, max_objects))):
            boxes.append(draw(_box(seen, boxes)))
        labels = [draw(label) for _ in boxes]
        found.append({"boxes": boxes, "labels": labels, "ignore": [draw(ignored) for _ in boxes]})
    gt = GroundTruth.from_list(found)
    return gt.pad_to(gt.num_rows + draw(st.integers(0, 2)))
