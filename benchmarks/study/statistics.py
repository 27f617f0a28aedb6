"""Paired differences: interval, sign-flip permutation test, sign test, and Holm's correction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats


@dataclass(frozen=True)
class Difference:
    """Mean paired difference of n seeds, its t interval, two-sided p-values, and how many seeds agree in sign."""

    n: int
    mean: float
    low: float
    high: float
    p: float
    sign_p: float
    agree: int


def shown(p: float) -> str:
    """A p-value as tables have it."""
    return f"{p:.3f}" if p >= 0.001 else "< 0.001"


def paired(first: Mapping[int, float], second: Mapping[int, float], confidence: float) -> Difference | None:
    """First - second over the seeds that both have; None for fewer than two."""
    seeds = sorted(set(first) & set(second))
    if len(seeds) < 2:
        return None
    gaps = np.array([first[seed] - second[seed] for seed in seeds])
    mean = float(gaps.mean())
    half = float(stats.sem(gaps) * stats.t.ppf((1 + confidence) / 2, len(gaps) - 1))
    # every assignment of signs up to 2^13 of them, else 10,000 random ones
    test = stats.permutation_test((gaps,), np.mean, permutation_type="samples", n_resamples=10_000, rng=0)
    up, down = int((gaps > 0).sum()), int((gaps < 0).sum())
    sign = stats.binomtest(up, up + down).pvalue if up + down else 1.0
    agree = up if mean >= 0 else down
    return Difference(len(gaps), mean, mean - half, mean + half, float(test.pvalue), float(sign), agree)


def holm(values: Sequence[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given (Holm, 1979)."""
    adjusted, highest = [0.0] * len(values), 0.0
    for rank, place in enumerate(np.argsort(values, kind="stable")):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        adjusted[int(place)] = highest
    return adjusted
