"""What the pictures share: the canvas, the colours, and pixels from arrays of any library."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign import checks
from labelassign.structures.arrays import as_tensor

PALETTE = ("#56B4E9", "#F0E442", "#CC79A7", "#009E73", "#E69F00", "#0072B2", "#FFFFFF")
"""Colours that stay apart for colour-blind readers (Okabe and Ito, 2008), without the reddish one; and white."""
MISSING = "#E00000"
"""Red is for what is missing, and for nothing else."""
LOW, HIGH, REST = "#0072B2", "#E69F00", "#9A9A9A"
DPI = 100


def canvas(width: float, height: float) -> tuple[Any, Any]:
    """A figure of so many inches and its axes, outside pyplot: no window, no global state.

    Raises:
        ImportError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("labelassign.draw needs matplotlib: pip install 'labelassign[draw]'") from error
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot()


def colours(centres: Tensor) -> list[str]:
    """One colour per object `[n, 2]`: the one whose nearest bearer so far is farthest, so that neighbours differ."""
    chosen: list[int] = []
    distance = torch.cdist(centres.double(), centres.double()).nan_to_num(nan=0.0)
    for i in range(len(centres)):
        nearest = [
            min((float(distance[i, j]) for j in range(i) if chosen[j] == c), default=float("inf"))
            for c in range(len(PALETTE))
        ]
        chosen.append(nearest.index(max(nearest)))
    return [PALETTE[c] for c in chosen]


def pixels(who: str, image: Any) -> Any:
    """`[H, W, 3]` in 0..1 as a NumPy array, from uint8 or 0..1 floats, channels first or last."""
    tensor = as_tensor(who, "image", image).detach().cpu()
    if tensor.dim() != 3 or 3 not in (tensor.shape[0], tensor.shape[2]):
        checks.fail(who, "`image` [3, H, W] or [H, W, 3]", list(tensor.shape), "Pass one RGB image.")
    tensor = tensor.permute(1, 2, 0) if tensor.shape[2] != 3 else tensor
    scaled = tensor.float() / 255 if tensor.dtype == torch.uint8 else tensor.float()
    low, high = (float(v) for v in scaled.aminmax()) if scaled.numel() else (0.0, 0.0)
    if low < 0 or high > 1 or low != low:
        checks.fail(who, "`image` as uint8 or floats in 0..1", f"values {low:.3g} to {high:.3g}", "Undo the scaling.")
    return scaled.numpy()


def subdued(shown: Any) -> Any:
    """Darker and half grey, so that colours drawn on it stand out."""
    return 0.7 * (shown + shown.mean(axis=2, keepdims=True)) / 2
