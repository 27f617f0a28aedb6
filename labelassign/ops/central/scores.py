"""Scores of every form as logarithms: of the probability, and of the rest."""

from __future__ import annotations

import torch
from torch import Tensor


def logs(x: Tensor, shift: Tensor, scores_are: str) -> tuple[Tensor, Tensor]:
    """Log p and log(1 - p) of scores."""
    if scores_are == "sigmoid_logits":
        return -torch.nn.functional.softplus(-x, threshold=40), -torch.nn.functional.softplus(x, threshold=40)
    log = (x - shift).clamp(max=0.0) if scores_are == "softmax_logits" else x.clamp(0, 1).log()
    return log, _log_rest(log)


def _log_rest(log: Tensor) -> Tensor:
    """log(1 - p) from log p."""
    return torch.log(-torch.expm1(log))


def joined(log: Tensor, rest: Tensor, objectness: Tensor | None) -> tuple[Tensor, Tensor]:
    """The same of the geometric mean of p and an objectness whose logarithm is given."""
    if objectness is None:
        return log, rest
    log = 0.5 * (log + objectness)
    return log, _log_rest(log)
