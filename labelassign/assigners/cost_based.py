"""Assigners that rank candidates by a cost: propose, (select,) decide, resolve."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import NamedTuple, final

from torch import Tensor

from labelassign.assigners.base import Assigner
from labelassign.assigners.draft import Draft
from labelassign.ops.resolve import resolve
from labelassign.structures import Candidates, GroundTruth, Predictions, Priors


class Decision(NamedTuple):
    """What `_decide` returns: state `[G, L, K]` int8 (1 keep, 0 drop, -1 leave out of the loss), named diagnostics.

    Every diagnostic has one entry per ground truth, `[G, ...]`.

    Example:
        >>> la.Decision(torch.ones(3, 2, 9, dtype=torch.int8), {}).state.shape
        torch.Size([3, 2, 9])
    """

    state: Tensor
    diagnostics: Mapping[str, Tensor]


class CostAssigner(Assigner):
    """An assigner of three steps, so that LAD and CoLAD can choose whose costs enter the second.

    Costs are non-negative and fall with quality; predictions that are not finite cost +inf, which means never.

    Example:
        >>> isinstance(la.PAA(), la.CostAssigner), sorted(la.PAA().needs)
        (True, ['predictions'])
    """

    @property
    def needs(self) -> frozenset[str]:
        """What a call must bring beside priors and ground truth."""
        return frozenset({"predictions"})

    @abstractmethod
    def _propose(self, priors: Priors, gt: GroundTruth, predictions: Predictions, moments: bool = True) -> Candidates:
        """One pass over the pairs: the candidates of every ground truth under one network's predictions.

        Without `moments` nobody will read `mean` and `variance`, which may then be 0: they cost more than the rest.
        """

    @abstractmethod
    def _pairs(
        self, priors: Priors, gt: GroundTruth, predictions: Predictions, gt_row: Tensor, prior: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Cost and predicted overlap of single pairs, both `[M]` float32."""

    @abstractmethod
    def _decide(self, priors: Priors, gt: GroundTruth, candidates: Candidates) -> Decision:
        """Which candidates stay."""

    def _soft_targets(
        self, priors: Priors, gt: GroundTruth, predictions: Predictions, gt_index: Tensor
    ) -> Tensor | None:
        """Soft class scores of the positives under a network's predictions `[B, N]`; None means 1."""
        return None

    @final
    def _assign(
        self,
        priors: Priors,
        gt: GroundTruth,
        predictions: Predictions | None,
        teacher: Predictions | None,
        step: int | Tensor | None,
    ) -> Draft:
        assert predictions is not None
        return self._alone(priors, gt, predictions, predictions)

    def _alone(self, priors: Priors, gt: GroundTruth, deciding: Predictions, targets: Predictions | None) -> Draft:
        """One network's candidates decide; `targets` give the soft targets. One op may do all of it faster."""
        return self._finish(priors, gt, self._propose(priors, gt, deciding, moments=False), targets)

    @final
    def _finish(
        self, priors: Priors, gt: GroundTruth, candidates: Candidates, predictions: Predictions | None
    ) -> Draft:
        """From candidates to a draft; `predictions` give the soft targets (None: hard ones)."""
        state, diagnostics = self._decide(priors, gt, candidates)
        flat = (candidates.prior.flatten(1), state.flatten(1), candidates.cost.flatten(1))
        index, quality, reason = resolve(*flat, candidates.reason, gt.offsets, priors.count)
        soft = None if predictions is None else self._soft_targets(priors, gt, predictions, index)
        return Draft(index, quality, reason, soft, {"non_finite": candidates.non_finite}, diagnostics)
