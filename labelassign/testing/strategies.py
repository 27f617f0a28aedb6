"""Hypothesis strategies of scenes, small enough for thousands of examples.

Boxes lie on a lattice of 1/8 pixel, so that ties happen, and moving or doubling everything is exact in float32.
`Scene` objects without ties come from `labelassign.testing.changes.untied`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from labelassign.structures import GroundTruth, Predictions, Priors
from labelassign.testing.networks import LATTICE, invent, on_lattice, spoil
from labelassign.testing.scene import Scene

try:
    from hypothesis import strategies as st
except ImportError as error:
    raise ImportError("labelassign.testing needs Hypothesis: pip install 'labelassign[testing]'") from error

# what Hypothesis passes; its own protocol cannot be checked at run time
Draw: TypeAlias = Callable[..., Any]

HEIGHT, WIDTH = 128, 160
KINDS = ("grid", "points", "proposals")
_STRIDES = ((32, 64), (32, 64, 128), (64, 32), (128,), (40,))
_SEEDS = st.integers(0, 2**31 - 1)
# (least corner, range of it, least side, range of it) in pixels; the sides of "flat" are 0 and something
_BOXES = {"usual": (0, 120, 4, 90), "tiny": (0, 150, 0, 2), "huge": (-300, 300, 200, 600), "outside": (200, 300, 1, 90)}


@st.composite
def _priors(draw: Draw, images: int, kinds: Sequence[str]) -> Priors:
    kind = draw(st.sampled_from(tuple(kinds)))
    if kind == "proposals":
        made = Priors.from_boxes(_proposals(images, draw(st.integers(1, 24)), draw(_SEEDS)))
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
    mask = torch.rand(images, made.count, generator=torch.Generator().manual_seed(draw(_SEEDS))) < 0.8
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
def _ground_truth(draw: Draw, priors: Priors, images: int, max_objects: int, classes: int) -> GroundTruth:
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


@st.composite
def predictions(
    draw: Draw, priors: Priors, images: int, classes: int = 3, *, scores_are: str | None = None, hostile: bool = False
) -> Predictions:
    """Predictions over given priors: close to them or far off, sometimes with many equal scores.

    Arguments:
        draw: supplied by Hypothesis; do not pass it.
        priors: N priors.
        images: B.
        classes: C.
        scores_are: as in `Predictions`; None draws one of the three.
        hostile: NaN, infinities and ±1e30 in some or all of them, and perhaps a half-precision dtype.

    Example:
        >>> from hypothesis import given
        >>> from labelassign.testing import predictions as some
        >>> @given(some(la.Priors.grid(image_size=(64, 64), strides=(16,)), images=2, hostile=True))
        ... def holds(drawn):
        ...     assert drawn.boxes.shape == (2, 16, 4)
        >>> holds()
    """
    forms = ("sigmoid_logits", "probs", "softmax_logits")
    form = draw(st.sampled_from(forms)) if scores_are is None else scores_are
    noise = draw(st.sampled_from((4.0, 0.5, 40.0)))
    made = invent(priors, images, classes, draw(_SEEDS), noise=noise, scores_are=form)
    if draw(st.sampled_from((False, False, True))) and form != "probs":
        made = replace(made, scores=made.scores.round())
    if not hostile:
        return made
    made = spoil(made, draw(_SEEDS), draw(st.sampled_from((0.1, 0.6, 4.0))))
    dtype = draw(st.sampled_from((torch.float32, torch.float16, torch.bfloat16)))
    return replace(made, boxes=made.boxes.to(dtype), scores=made.scores.to(dtype))


@st.composite
def scenes(
    draw: Draw, *, max_images: int = 2, max_objects: int = 4, classes: int = 3, kinds: Sequence[str] = KINDS
) -> Scene:
    """Whole inputs of an assigner on images of 128 x 160 pixels, with two networks that disagree.

    Objects are of any size, outside the image, without area, equal to a prior or to each other; some are ignored
    regions, some rows are padding, some images are empty. Some priors are invalid, some levels have none.

    Arguments:
        draw: supplied by Hypothesis; do not pass it.
        max_images: 1 to this many images.
        max_objects: 0 to this many rows per image.
        classes: number of classes.
        kinds: of "grid" (one or three anchors per cell), "points" (boxes of zero size) and "proposals" (other boxes in
            every image, some without area).

    Example:
        >>> from hypothesis import given
        >>> from labelassign.testing import scenes
        >>> @given(scenes(kinds=["grid"]))
        ... def holds(scene):
        ...     assert scene.assign(la.ATSS()).quality.isfinite().all()
        >>> holds()
    """
    images = draw(st.integers(1, max_images))
    priors = draw(_priors(images, kinds))
    gt = draw(_ground_truth(priors, images, max_objects, classes))
    mine = draw(predictions(priors, images, classes))
    other = draw(predictions(priors, images, classes, scores_are=mine.scores_are))
    return Scene(priors, gt, mine, other, draw(st.integers(0, 99)))
