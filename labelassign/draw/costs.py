"""The candidate costs of one object, and the mixture that separates them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from labelassign import checks
from labelassign.draw import style
from labelassign.structures import MixtureFit
from labelassign.structures.arrays import as_tensor

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TICK_UP = 2
"""matplotlib's number of the marker that stands on its point."""
_LOOKS: tuple[tuple[int, str, dict[str, Any]], ...] = (
    (1, "positive", {"color": style.LOW, "alpha": 0.75}),
    (-1, "left out of the loss", {"color": "white", "edgecolor": style.REST, "hatch": "//"}),
    (0, "background", {"color": style.REST, "alpha": 0.75}),
)


def mixture(costs: Any, fit: MixtureFit, state: Any, *, row: int = 0, title: str = "") -> Figure:
    """Draw one object's candidate costs as a histogram, with the two fitted Gaussians and what separates them.

    The curves are scaled to the histogram: weight · density · number of costs · width of a bar. The dashed line lies
    halfway between the dearest positive and the next candidate.

    Arguments:
        costs: `[G, K]`, from any DLPack library; entries that are not finite are no candidates.
        fit: the mixtures of all G objects, in the units of `costs` (not of a `Mixture(normalize=True)`).
        state: `[G, K]`: 1 positive, 0 background, -1 left out, as `Separation` gives it.
        row: the object to draw.
        title: put before the counts above the picture.

    Returns:
        A matplotlib Figure, 1000 pixels wide. `figure.savefig(path)` writes it.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: costs, fits and states of different shapes, or a `row` that they do not have.

    Example:
        >>> from labelassign import draw
        >>> costs, count = torch.tensor([[0.1, 0.2, 0.3, 2.1, 2.4]]), torch.tensor([5])
        >>> fit = la.Mixture().fit(costs, count)
        >>> figure = draw.mixture(costs, fit, torch.tensor([[1, 1, 0, 0, 0]]))
        >>> figure.axes[0].get_title(loc="left")
        '2 of 5 candidates positive (cost ≤ 0.2)'
    """
    who = "draw.mixture"
    cost, kept = as_tensor(who, "costs", costs), as_tensor(who, "state", state)
    checks.tensor(who, "costs", cost, (fit.means.shape[0], "K"), "floating")
    checks.equal(who, "shape", {"costs": tuple(cost.shape), "state": tuple(kept.shape)}, "Give one state per cost.")
    if not 0 <= row < len(cost):
        checks.fail(who, f"`row` in 0..{len(cost) - 1}", row, "Name one of the objects that were fitted.")
    cost, kept = cost[row].detach().cpu().double(), kept[row].cpu()
    real = torch.isfinite(cost)
    cost, kept = cost[real], kept[real]
    figure, axes = style.canvas(10, 4.5)
    if len(cost):
        width = _histogram(axes, cost, kept)
        _curves(axes, fit, row, len(cost) * width)
    axes.set_xlabel("cost of a candidate (lower is better)", fontsize=13)
    axes.set_ylabel("candidates", fontsize=13)
    axes.spines[["top", "right"]].set_visible(False)
    text = f"{int((kept == 1).sum())} of {len(cost)} candidates positive{_boundary(axes, cost, kept)}"
    axes.set_title(f"{title}: {text}" if title else text, loc="left", fontsize=15)
    if len(cost):
        axes.legend(fontsize=12, frameon=False)
    return figure


def _histogram(axes: Any, cost: Tensor, kept: Tensor) -> float:
    """Stacked bars, one colour per state, and a tick per candidate; returns the width of a bar."""
    low, high = float(cost.min()), float(cost.max())
    edges = torch.linspace(low, high if high > low else low + 1e-3, 21).tolist()
    base = torch.zeros(20)
    for state, name, look in _LOOKS:
        own = cost[kept == state]
        if len(own):
            height = torch.histogram(own, torch.tensor(edges, dtype=torch.float64)).hist.float()
            axes.bar(edges[:-1], height, edges[1] - edges[0], base, align="edge", label=f"{name} ({len(own)})", **look)
            base = base + height
    axes.set_ylim(0, 1.35 * float(base.max()))
    axes.plot(cost, torch.zeros_like(cost), linestyle="", marker=TICK_UP, color="black", markersize=9)
    return edges[1] - edges[0]


def _curves(axes: Any, fit: MixtureFit, row: int, scale: float) -> None:
    low, high = axes.get_xlim()
    x = torch.linspace(low, high, 1000, dtype=torch.float64)
    for i, (colour, name) in enumerate(((style.LOW, "low component"), (style.HIGH, "high component"))):
        weight, mean, variance = (float(v[row, i]) for v in (fit.weights, fit.means, fit.variances))
        y = weight * scale * torch.exp(-((x - mean) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)
        label = f"{name}: mean {mean:.2f}, sd {math.sqrt(variance):.2f}, weight {weight:.2f}"
        axes.plot(x, y, color=colour, linewidth=2.5, label=label)


def _boundary(axes: Any, cost: Tensor, kept: Tensor) -> str:
    positive = cost[kept == 1]
    if not len(positive):
        return ""
    dearest = float(positive.max())
    beyond = cost[(kept != 1) & (cost > dearest)]
    line = (dearest + float(beyond.min())) / 2 if len(beyond) else dearest
    axes.axvline(line, color="black", linestyle="--", linewidth=1.5, label="separation")
    return f" (cost ≤ {dearest:.3g})"
