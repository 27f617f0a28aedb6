"""Hypothesis strategies of scenes, small enough for thousands of examples.

Boxes lie on a lattice of 1/8 pixel, so that ties happen, and moving or doubling everything is exact in float32.
`Scene` objects without ties come from `labelassign.testing.changes.untied`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch

from labelassign.structures import Predictions, Priors
from labelassign.testing.networks import invent, spoil

from labelassign.testing.parts import KINDS, SEEDS, Draw, objects_of, priors_on  # isort: skip - says what to install
from labelassign.testing.scene import Scene

from hypothesis import strategies as st  # isort: skip


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
    made = invent(priors, images, classes, draw(SEEDS), noise=noise, scores_are=form)
    if draw(st.sampled_from((False, False, True))) and form != "probs":
        made = replace(made, scores=made.scores.round())
    if not hostile:
        return made
    made = spoil(made, draw(SEEDS), draw(st.sampled_from((0.1, 0.6, 4.0))))
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
    priors = draw(priors_on(images, kinds))
    gt = draw(objects_of(priors, images, max_objects, classes))
    mine = draw(predictions(priors, images, classes))
    other = draw(predictions(priors, images, classes, scores_are=mine.scores_are))
    return Scene(priors, gt, mine, other, draw(st.integers(0, 99)))
