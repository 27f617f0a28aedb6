"""Predictions made up from a seed, sound or spoiled."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from labelassign.structures import Predictions, Priors

LATTICE = 8.0
"""Points per pixel on which boxes lie, so that moving and doubling them is exact in float32."""

_POISON = (float("nan"), float("inf"), -float("inf"), 1e30, -1e30)


def on_lattice(boxes: Tensor) -> Tensor:
    """The nearest boxes with corners at multiples of 1/8 pixel."""
    return (boxes * LATTICE).round() / LATTICE


def invent(
    priors: Priors, images: int, classes: int, seed: int, *, noise: float = 4.0, scores_are: str = "sigmoid_logits"
) -> Predictions:
    """Predictions of a network that knows roughly where its priors are, and nothing else.

    Arguments:
        priors: N priors; boxes lie near them, with corners out of order now and then.
        images: B.
        classes: C; a softmax head gets one more column.
        seed: the same seed gives the same predictions.
        noise: standard deviation of the corners, in pixels.
        scores_are: as in `Predictions`.

    Example:
        >>> from labelassign.testing import invent
        >>> invent(priors, images=2, classes=3, seed=0).scores.shape
        torch.Size([2, 400, 3])
    """
    random = torch.Generator().manual_seed(seed)
    reach = torch.tensor([-8.0, -8.0, 8.0, 8.0]) * (priors.kind != "boxes")
    corners = (priors.boxes + reach).expand(images, priors.count, 4)
    boxes = on_lattice(corners + noise * torch.randn(images, priors.count, 4, generator=random))
    columns = classes + (scores_are == "softmax_logits")
    scores = 1.5 * torch.randn(images, priors.count, columns, generator=random) - 1
    return Predictions(boxes, scores.sigmoid() if scores_are == "probs" else scores, scores_are)


def spoil(predictions: Predictions, seed: int, share: float = 0.1) -> Predictions:
    """The same predictions with NaN, infinities and ±1e30 in a share of the boxes and scores.

    Example:
        >>> from labelassign.testing import spoil
        >>> spoil(predictions, seed=0, share=0.5).boxes.isfinite().all()
        tensor(False)
    """
    random = torch.Generator().manual_seed(seed)
    # one entry of a box is as bad as all of them, so each gets a quarter of the share
    boxes = _poisoned(predictions.boxes, random, share / 4)
    scores = _poisoned(predictions.scores, random, share / predictions.scores.shape[-1])
    return replace(predictions, boxes=boxes, scores=scores)


def _poisoned(values: Tensor, random: torch.Generator, share: float) -> Tensor:
    hit = torch.rand(values.shape, generator=random) < share
    poison = torch.tensor(_POISON)[torch.randint(0, len(_POISON), values.shape, generator=random)]
    return torch.where(hit, poison.to(values.dtype), values)
