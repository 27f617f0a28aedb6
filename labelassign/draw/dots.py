"""Which priors learn which object, over the image."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from labelassign import checks
from labelassign.draw import style
from labelassign.geometry import as_rotated, centres
from labelassign.geometry.rotated import extents
from labelassign.structures import Assignment, GroundTruth, Priors, Reason

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WHY = {
    Reason.NO_CANDIDATE: "no candidate",
    Reason.REJECTED: "all rejected",
    Reason.LOST: "lost to others",
    Reason.INVALID: "invalid box",
    Reason.NOT_SAMPLED: "not sampled",
}
"""What the picture says about an object without priors."""


def assignment(
    image: Any, priors: Priors, gt: GroundTruth, assignment: Assignment, *, image_index: int = 0, title: str = ""
) -> Figure:
    """Draw an image with a dot at the centre of every positive prior, in the colour of its object's box.

    Dots grow with the level of their prior. Objects without priors are red and say why; ignored regions are dashed.

    Source: after the picture of tools/visualize_assign.py in YOLOX (Megvii, Apache-2.0).

    Arguments:
        image: `[3, H, W]` or `[H, W, 3]`, uint8 or floats in 0..1, from any DLPack library.
        priors: those of the call; not queries, which have no place.
        gt: the ground truth of the call.
        assignment: its result.
        image_index: which image of the batch `image` is.
        title: put before the counts above the picture.

    Returns:
        A matplotlib Figure, 1000 pixels wide. `figure.savefig(path)` writes it.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: query priors, an `image_index` outside the batch, or an image of another shape or range.

    Example:
        >>> from labelassign import draw
        >>> draw.assignment(torch.zeros(3, 128, 160), priors, gt, a, title="MaxIoU").axes[0].get_title(loc="left")
        'MaxIoU: 7 positive priors, 2 of 2 objects served'
    """
    who = "draw.assignment"
    if priors.kind == "queries":
        checks.fail(who, "priors with a place in the image", "queries", "Draw the boxes that they predict.")
    if not 0 <= image_index < gt.num_images:
        checks.fail(who, f"`image_index` in 0..{gt.num_images - 1}", image_index, "Count images from 0.")
    shown = style.pixels(who, image)
    height, width = shown.shape[:2]
    figure, axes = style.canvas(10, 10 * height / max(width, 1) + 0.65)
    axes.imshow(style.subdued(shown), extent=(0, width, height, 0), interpolation="bilinear")
    axes.set(xlim=(0, width), ylim=(height, 0), xticks=[], yticks=[])
    start, stop = (int(v) for v in assignment.offsets[image_index : image_index + 2])
    boxes, reasons = gt.boxes[start:stop].cpu(), [Reason(int(r)) for r in assignment.reason[start:stop]]
    colour = style.colours(centres(boxes))
    served = assignment.per_gt_count[start:stop].cpu() > 0
    around = torch.stack(extents(boxes), 1)
    parts = (as_rotated(boxes.double()).tolist(), around.tolist(), reasons, colour, served.tolist())
    for each in zip(*parts, strict=True):
        _object(axes, *each)
    positives = _dots(axes, priors, assignment.gt_index[image_index].cpu() - start, colour, image_index)
    real = [reason not in (Reason.IGNORED, Reason.PADDING) for reason in reasons]
    counts = f"{positives} positive priors, {int(served.sum())} of {sum(real)} objects served"
    axes.set_title(f"{title}: {counts}" if title else counts, loc="left", fontsize=15)
    return figure


def _object(axes: Any, box: list[float], around: list[list[float]], reason: Reason, colour: str, served: bool) -> None:
    from matplotlib.patches import Rectangle

    x, y, width, height, angle = box
    look: dict[str, Any] = {"edgecolor": colour, "linewidth": 2.0}
    if reason == Reason.IGNORED:
        look = {"edgecolor": "0.8", "linewidth": 1.4, "linestyle": (0, (4, 3))}
    elif not served:
        look = {"edgecolor": style.MISSING, "linewidth": 3.0}
        (middle, centre), (half, up) = around
        _words(axes, middle - half, centre - up, middle + half, WHY[reason])
    corner, look["angle"] = (x - width / 2, y - height / 2), math.degrees(angle)
    axes.add_patch(Rectangle(corner, width, height, rotation_point="center", fill=False, **look))


def _words(axes: Any, x: float, y: float, right: float, words: str) -> None:
    """Above the box, or in its upper edge where there is no room above; flush right near the right border."""
    width, height = axes.get_xlim()[1], axes.get_ylim()[0]
    late, high = x > 0.8 * width, y < 0.04 * height
    place = {"ha": "right" if late else "left", "va": "top" if high else "bottom", "clip_on": True}
    look = {"color": "white", "fontsize": 11, "weight": "bold"}
    patch = {"facecolor": style.MISSING, "linewidth": 0, "pad": 1.5}
    axes.text(min(right, width) if late else max(x, 0), max(y, 0), words, bbox=patch, zorder=4, **place, **look)


def _dots(axes: Any, priors: Priors, owner: Tensor, colour: list[str], image_index: int) -> int:
    """One dot per positive prior of the image, larger on coarser levels; returns their number."""
    boxes = priors.boxes[image_index] if priors.boxes.dim() == 3 else priors.boxes
    level = torch.repeat_interleave(torch.tensor(priors.level_sizes))
    which = (owner >= 0) & (owner < len(colour))
    spots, sizes = centres(boxes.cpu())[which], [_size(i) for i in level[which].tolist()]
    own = [colour[i] for i in owner[which].tolist()]
    axes.scatter(spots[:, 0], spots[:, 1], s=sizes, c=own, zorder=3, **_EDGE)
    if len(priors.level_sizes) > 1:
        for i, name in enumerate(_level_names(priors)):
            axes.scatter([], [], s=_size(i), c="white", label=name, **_EDGE)
        place = {"loc": "upper right", "bbox_to_anchor": (1, -0.005), "borderaxespad": 0}
        axes.legend(ncols=len(priors.level_sizes), fontsize=12, frameon=False, **place)
    return len(own)


def _level_names(priors: Priors) -> list[str]:
    if priors.strides is None:
        return [f"level {i}" for i in range(len(priors.level_sizes))]
    return [f"stride {float(own[0]):g}" if len(own) else "empty" for own in priors.strides.split(priors.level_sizes)]


def _size(level: int) -> float:
    return 40.0 * (1 + level) ** 1.5


_EDGE: dict[str, Any] = {"edgecolors": "black", "linewidths": 0.8}
