"""The indicators of co-learning: how well a network's costs tell its candidates apart."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from labelassign import checks
from labelassign.distill.criteria import Indicator
from labelassign.mixture import Mixture
from labelassign.structures import Candidates


@dataclass(frozen=True)
class StdMean(Indicator):
    """Unbiased standard deviation of a network's candidate costs over their mean, averaged over objects.

    All candidates count, before the top-k. Needs costs >= 0 without geometric penalties: it is not offset-invariant.

    Source: Nguyen et al., 2022, arXiv:2108.10520, section 3.3 (the only criterion in the authors' code).
    Raises: ValueError for a negative cost (eager, on the CPU).

    Example:
        >>> la.CoLAD(la.PAA(), criterion=la.StdMean()).criterion
        StdMean()
    """

    def rho(self, candidates: Candidates) -> tuple[Tensor, Tensor]:
        """Std / mean; means something from two candidates of positive mean on."""
        if checks.values_visible(candidates.cost):
            _refuse_signed(candidates.cost)
        known = (candidates.count > 1) & (candidates.mean > 0)
        return torch.where(known, candidates.variance.sqrt() / candidates.mean, 0.0), known


def _refuse_signed(cost: Tensor) -> None:
    signed = cost < 0
    if bool(signed.any()):
        row = int(signed.flatten(1).any(1).nonzero()[0])
        fix = "std/mean is not offset-invariant: use FisherScore, or an assigner whose costs are non-negative."
        got = f"cost {float(cost[row].min()):.6g} of ground truth {row}"
        checks.fail("StdMean", "costs >= 0", got, fix)


@dataclass(frozen=True)
class FisherScore(Indicator):
    """(difference of means)² over (sum of variances) of two Gaussians fitted to a network's top-k costs.

    By default the mixture is the criterion's own: costs min-max normalised, starting variance from the data, tolerance
    1e-6. Fewer than 4 costs, or a component of fewer than 2, leave a unit undecided. Over objects: the median of
    log(rho + 1e-6). (PAA's own fit stops after a few steps on costs of this range, so that most scores of an untrained
    network are near 0, and a mean is ruled by single outliers.)

    Source: Nguyen et al., 2022, arXiv:2108.10520, section 3.3; the fit and the median are ours.

    Arguments:
        fit: "own" (above) or "paa": the literal reading, the fit that PAA makes, from two costs on.
        aggregate: over objects, "median" or "mean".
    Raises: ValueError for unknown options.

    Example:
        >>> la.FisherScore(fit="paa", aggregate="mean")
        FisherScore(fit='paa', aggregate='mean')
    """

    fit: str = "own"
    aggregate: str = field(default="median")

    def __post_init__(self) -> None:
        """Check the options."""
        checks.choice("FisherScore", "fit", self.fit, ("own", "paa"))
        checks.choice("FisherScore", "aggregate", self.aggregate, ("median", "mean"))

    def rho(self, candidates: Candidates) -> tuple[Tensor, Tensor]:
        """The Fisher score of each entry's listed costs."""
        own = self.fit == "own"
        cost = candidates.cost.flatten(0, 1).sort(dim=1).values
        count = torch.isfinite(cost).sum(1)
        mixture = Mixture(tol=1e-6, normalize=True, data_variance=True) if own else Mixture()
        fit = mixture.fit(cost, count)
        score = (fit.means[:, 0] - fit.means[:, 1]).square() / fit.variances.sum(1)
        known = count >= 2
        if own:
            high = (mixture.classify(cost, count, fit)[0] == 1).sum(1)
            known = (count >= 4) & (high >= 2) & (count - high >= 2)
        shape = candidates.count.shape
        return torch.where(known, score, 0.0).view(shape), known.view(shape)


@dataclass(frozen=True)
class MeanCost(Indicator):
    """The network of lower mean candidate cost decides.

    Example:
        >>> la.CoLAD(la.PAA(), criterion=la.MeanCost()).granularity
        'batch'
    """

    def rho(self, candidates: Candidates) -> tuple[Tensor, Tensor]:
        """The negative mean; means something from one candidate on."""
        return -candidates.mean, candidates.count > 0
