"""A small scene, and how to read a figure's artists."""

import numpy as np
import torch
from matplotlib.colors import to_hex
from matplotlib.patches import Rectangle

import labelassign as la
from labelassign.draw import style

HEIGHT, WIDTH = 96, 128
IMAGE = torch.linspace(0, 1, 3 * HEIGHT * WIDTH).reshape(3, HEIGHT, WIDTH)
PRIORS = la.Priors.grid(image_size=(HEIGHT, WIDTH), strides=(8, 16), scale=3, offset=0.5)


def scene():
    """Image 0: two objects that get priors, a tiny one that gets none, an ignored region. Image 1: one object."""
    first = {"boxes": [[8, 8, 32, 32], [40, 20, 90, 70], [101, 50, 104, 53], [0, 70, 30, 96]], "labels": [0] * 4}
    second = {"boxes": [[60, 40, 100, 80]], "labels": [0]}
    gt = la.GroundTruth.from_list([{**first, "ignore": [0, 0, 0, 1]}, {**second, "ignore": [0]}])
    return gt, la.MaxIoU(low_quality="off")(PRIORS, gt)


def boxes(figure):
    return [patch for patch in figure.axes[0].patches if isinstance(patch, Rectangle)]


def dots(figure):
    """Centres and colours of all dots; the legend's have no place."""
    parts = [part for part in figure.axes[0].collections if len(part.get_offsets())]
    spots = np.concatenate([np.asarray(part.get_offsets()) for part in parts]) if parts else np.zeros((0, 2))
    return spots, [to_hex(c).upper() for part in parts for c in part.get_facecolors()]


def red(patch):
    return to_hex(patch.get_edgecolor()).upper() == style.MISSING
