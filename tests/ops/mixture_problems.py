"""Families of one-dimensional problems for the mixture, each a function of a generator that returns one row."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

Row = np.ndarray
Generator = np.random.Generator
ROWS = 40


def _focal_like(rng: Generator) -> Row:
    """At most nine samples from each of five levels: focal loss of the target class plus 1 - IoU."""
    logit, iou = rng.normal(-2.0, 1.5, (5, 30)), rng.beta(2.0, 2.0, (5, 30))
    p = 1.0 / (1.0 + np.exp(-logit))
    cost = 0.25 * (1.0 - p) ** 2 * -np.log(p) + rng.gamma(2.0, 0.02, (5, 30)) + 1.0 - iou
    return np.sort(cost, axis=1)[:, :9].ravel()


def _modes(rng: Generator, low: float, high: float, spread: float) -> Row:
    return np.concatenate([rng.normal(low, spread, rng.integers(3, 15)), rng.normal(high, spread, rng.integers(3, 31))])


FAMILIES: dict[str, Callable[[Generator], Row]] = {
    "two modes": lambda rng: _modes(rng, 1.0, 3.0, 0.4),
    "one mode": lambda rng: rng.gamma(2.0, 0.5, rng.integers(4, 46)),
    "focal-like, 45 samples": _focal_like,
    "equal costs": lambda rng: np.full(rng.integers(2, 46), rng.gamma(2.0)),
    "two samples": lambda rng: rng.uniform(0.0, 4.0, 2),
    "three samples": lambda rng: rng.uniform(0.0, 4.0, 3),
    "tiny variance": lambda rng: rng.uniform(0.5, 3.0) + rng.normal(0.0, 1e-4, rng.integers(2, 46)),
    "duplicates": lambda rng: rng.choice(rng.uniform(0.0, 3.0, 4), rng.integers(5, 46)),
    "heavy ties": lambda rng: rng.integers(0, 2, rng.integers(5, 46)) * rng.uniform(0.1, 5.0),
    "outliers": lambda rng: np.concatenate([rng.normal(1.0, 0.1, 20), rng.uniform(5.0, 50.0, 3)]),
    "one far outlier": lambda rng: np.concatenate([rng.normal(1.0, 0.1, 20), [rng.uniform(1e3, 1e6)]]),
    "offset 1e4": lambda rng: 1e4 + _modes(rng, 0.0, 2.0, 0.5),
    "offset 50, tight": lambda rng: _modes(rng, 50.0, 50.3, 1e-3),
    "scale 1e30": lambda rng: 1e30 * rng.uniform(0.5, 3.0, rng.integers(3, 46)),
    "scale 1e-30": lambda rng: 1e-30 * rng.uniform(0.5, 3.0, rng.integers(3, 46)),
    "interleaved modes": lambda rng: np.concatenate([rng.normal(2.0, 0.05, 15), rng.normal(2.0, 1.0, 15)]),
    "near-equal": lambda rng: 1.0 + 1e-7 * np.arange(rng.integers(2, 46)) * rng.uniform(0.5, 2.0),
    "linear ramp": lambda rng: rng.uniform(0.0, 2.0) + rng.uniform(0.05, 0.5) * np.arange(rng.integers(3, 46)),
    "thousand samples": lambda rng: np.concatenate([rng.normal(1.0, 0.3, 400), rng.normal(4.0, 0.8, 600)]),
    "negative": lambda rng: -_modes(rng, 1.0, 3.0, 0.4),
    "log-uniform": lambda rng: np.exp(rng.uniform(-12.0, 12.0, rng.integers(3, 46))),
    "1 cheap, rest dear": lambda rng: np.concatenate([[0.1], rng.normal(5.0, 0.5, rng.integers(2, 45))]),
}


def rows(family: str, number: int = ROWS) -> list[Row]:
    """The sorted rows of a family, the same in every run."""
    seed = list(FAMILIES).index(family)
    return [np.sort(FAMILIES[family](np.random.default_rng([seed, row]))) for row in range(number)]


def pack(rows: list[Row], fill: float = float("nan")) -> tuple[Tensor, Tensor]:
    """Rows of different lengths as `costs [R, K]` with padding, and `count [R]`."""
    costs = torch.full((len(rows), max(map(len, rows), default=0)), fill, dtype=torch.float64)
    for padded, row in zip(costs, rows, strict=True):
        padded[: len(row)] = torch.from_numpy(np.asarray(row, dtype=np.float64))
    return costs, torch.tensor([len(row) for row in rows], dtype=torch.int64)


@dataclass(frozen=True)
class Peer:
    """What scikit-learn finds for one row."""

    weights: Row
    means: Row
    variances: Row
    log_likelihood: float
    steps: int
    converged: bool
    labels: Row
    scores: Row


def scikit_learn(
    row: Row,
    *,
    covariance: str = "full",
    tol: float = 1e-3,
    max_steps: int = 100,
    reg: float = 1e-6,
    variance: float = 1.0,
) -> Peer:
    """Fit one row with scikit-learn in the dtype of `row`, set up as published PAA implementations do."""
    x = np.asarray(row).reshape(-1, 1)
    precisions = np.full((2, 1, 1) if covariance == "full" else (2, 1), 1.0 / variance)
    mixture = GaussianMixture(
        2,
        covariance_type=covariance,
        weights_init=[0.5, 0.5],
        means_init=[[x.min()], [x.max()]],
        precisions_init=precisions,
        tol=tol,
        max_iter=max_steps,
        reg_covar=reg,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = mixture.fit_predict(x)
    return Peer(
        mixture.weights_,
        mixture.means_.ravel(),
        mixture.covariances_.ravel(),
        float(mixture.lower_bound_),
        mixture.n_iter_,
        mixture.converged_,
        labels,
        mixture.score_samples(x),
    )
