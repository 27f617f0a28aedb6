"""Assignments of images that are turned left to right."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool
from torch import Tensor

from labelassign import checks
from labelassign.caching.keys import host
from labelassign.structures import Assignment, Priors


class Mirror:
    """Turn assignments left to right, exactly: each prior takes over from the one that lies where it would be mirrored.

    The answer is that for the mirrored objects and the mirrored predictions, up to ties, which lower priors win. What
    a teacher predicts on the mirrored image is something else: with a cache, its choice on the image as it is holds for
    both. Objects keep their rows; mirror their boxes where the image is mirrored.

    That needs a grid whose mirror image is itself: `offset=0.5`, and a width that is a whole number of cells on all
    levels. With `offset=0` that width is (cells - 1) · stride, less than the image's.

    Arguments:
        priors: shared by the batch. Of several equal ones, the first takes over from the first.
        width: of what is mirrored, in pixels: x becomes width - x.
    Attributes: `order` `[N]`, the prior that each takes over from.
    Cost: one gather for each field; nothing waits for the device.
    Raises: ValueError unless every prior, mirrored, is bit for bit a prior of its level and stride, valid in the same
    images.

    Example:
        >>> even = la.Priors.grid(image_size=(128, 160), strides=(8, 16), scale=4, offset=0.5)
        >>> mirror = la.Mirror(even, width=160)
        >>> a = la.ATSS()(even, gt)
        >>> b = mirror(a, torch.tensor([True, False]))
        >>> first, turned = (each.gt_index[0, :320].view(16, 20) for each in (a, b))
        >>> bool((turned == first.flip(1)).all()), b.per_gt_count.tolist() == a.per_gt_count.tolist()
        (True, True)
    """

    def __init__(self, priors: Priors, width: float) -> None:
        if priors.boxes.dim() != 2 or priors.kind == "queries":
            fix = "Priors that differ between images, and queries, have no mirror image among themselves."
            checks.fail("Mirror", "anchors or points shared by the batch", repr(priors), fix)
        checks.positive("Mirror", "width", width)
        order = _order(priors, width)
        self.width = width
        self.order = torch.from_numpy(order).to(priors.boxes.device)
        if priors.valid is not None and bool((priors.valid != priors.valid[:, self.order]).any()):
            fix = "Where images are padded to the right, mirror priors and images before they are padded."
            checks.fail("Mirror", "priors that are valid where their mirror images are", "others in `valid`", fix)

    @torch.no_grad()
    def __call__(self, assignment: Assignment, which: Bool[Tensor, " B"]) -> Assignment:
        """The assignment of the images `[B]` of which those in `which` are mirrored; without diagnostics.

        Raises:
            ValueError, TypeError: an assignment to other priors, or `which` of another batch or device.
        """
        index, n = assignment.gt_index, self.order.shape[0]
        fix = "Make the Mirror from the priors of the call."
        checks.equal("Mirror", "number of priors", {"priors": n, "assignment": index.shape[1]}, fix)
        checks.tensor("Mirror", "which", which, (index.shape[0],), "bool")
        named = (("priors", self.order), ("assignment", index), ("which", which))
        checks.same_device("Mirror", named)
        order = torch.where(which[:, None], self.order, torch.arange(n, device=index.device))
        names = ("gt_index", "quality", "cls_target", "cls_weight", "loc_weight")
        turned = {name: getattr(assignment, name).gather(1, order) for name in names}
        return replace(assignment, **turned, diagnostics={})

    def __repr__(self) -> str:
        return f"Mirror({self.order.shape[0]} priors, width={self.width})"


def _order(priors: Priors, width: float) -> npt.NDArray[np.int64]:
    """The prior of which each is the mirror image `[N]`; its own inverse."""
    there = _places(priors, priors.boxes)
    turned = _places(priors, _mirrored(priors.boxes, width))
    first, second = (np.lexsort(places.T) for places in (there, turned))  # stable: equal ones by number
    if not (there[first] == turned[second]).all():
        alone = Counter(map(tuple, turned.tolist())) - Counter(map(tuple, there.tolist()))
        (_level, _stride, *box), expected = next(iter(alone)), "every prior to be one of its level when it is mirrored"
        fix = "Make the grid with offset=0.5, and take a width that is a whole number of cells on every level."
        got = f"x -> {width} - x, and no prior at {box} ({alone.total()} of {priors.count} such)"
        checks.fail("Mirror", expected, got, fix)
    order = np.empty_like(first)
    order[first] = second
    return order


def _mirrored(boxes: Tensor, width: float) -> Tensor:
    if boxes.shape[-1] == 5:
        return torch.cat([width - boxes[:, :1], boxes[:, 1:4], -boxes[:, 4:]], 1)
    x1, y1, x2, y2 = boxes.unbind(1)
    return torch.stack([width - x2, y1, width - x1, y2], 1)


def _places(priors: Priors, boxes: Tensor) -> npt.NDArray[np.float64]:
    """Level, stride and box of each prior `[N, 6 or 7]`."""
    level = np.repeat(np.arange(len(priors.level_sizes)), priors.level_sizes)
    stride = np.zeros(priors.count) if priors.strides is None else host(priors.strides)
    return np.column_stack([level, stride, host(boxes)]).astype(np.float64)
