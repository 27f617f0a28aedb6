"""Assigners that rank candidates by a cost: propose, (select,) decide, resolve."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import NamedTuple, TypeAlias, final

import torch
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


class Networks(NamedTuple):
    """Whose predictions decide: the first network's, or in rows that are `chosen` `[G]` the second one's.

    Example:
        >>> la.Networks(predictions).second is None
        True
    """

    first: Predictions
    second: Predictions | None = None
    chosen: Tensor | None = None


Pair: TypeAlias = tuple[Predictions, Predictions]
Choose: TypeAlias = Callable[[Candidates, Candidates], Tensor]


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
        """Cost and predicted overlap of single pairs, both `[M]` float32; of a row of -1, which is no pair, any."""

    @abstractmethod
    def _decide(self, priors: Priors, gt: GroundTruth, candidates: Candidates) -> Decision:
        """Which candidates stay."""

    def _resolve(
        self, priors: Priors, gt: GroundTruth, candidates: Candidates, state: Tensor, networks: Networks
    ) -> tuple[Tensor, Tensor, Tensor]:
        """One owner per prior and its quality `[B, N]`, and a reason per row `[G]`: the lowest listed cost wins."""
        flat = (candidates.prior.flatten(1), state.flatten(1), candidates.cost.flatten(1))
        return resolve(*flat, candidates.reason, gt.offsets, priors.count)

    def _soft_targets(self, priors: Priors, gt: GroundTruth, networks: Networks, gt_index: Tensor) -> Tensor | None:
        """Soft class scores of the positives under the networks' predictions `[B, N]`; None means 1."""
        return None

    @final
    def _owned(self, priors: Priors, gt: GroundTruth, networks: Networks, gt_index: Tensor) -> tuple[Tensor, Tensor]:
        """`_pairs` of every prior with its owner `[B, N]`; +inf and 0 for priors that have none."""
        row = gt_index.clamp(min=-1).flatten()
        prior = torch.arange(gt_index.shape[1], device=row.device).expand_as(gt_index).flatten()
        cost, iou = self._pairs(priors, gt, networks.first, row, prior)
        if networks.second is not None and networks.chosen is not None:
            there = networks.chosen[row.clamp(min=0)]
            other, other_iou = self._pairs(priors, gt, networks.second, row, prior)
            cost, iou = torch.where(there, other, cost), torch.where(there, other_iou, iou)
        return cost.view_as(gt_index), iou.view_as(gt_index)

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
        return self._alone(priors, gt, predictions)

    def _alone(
        self, priors: Priors, gt: GroundTruth, deciding: Predictions, targets: Predictions | None = None
    ) -> Draft:
        """One network decides, and gives the soft targets unless `targets` do. One op may do all of it faster."""
        candidates = self._propose(priors, gt, deciding, moments=False)
        return self._finish(priors, gt, candidates, Networks(deciding), targets)

    def _together(self, priors: Priors, gt: GroundTruth, networks: Pair, choose: Choose) -> Draft:
        """Two networks propose; where `choose` is true `[G, L]`, the second one's candidates count."""
        mine, other = (self._propose(priors, gt, network) for network in networks)
        chosen = choose(mine, other)
        decides = Networks(*networks, chosen[:, 0] if chosen.shape[1] == 1 else None)
        return self._finish(priors, gt, mine.selected(chosen, other), decides)

    @final
    def _finish(
        self,
        priors: Priors,
        gt: GroundTruth,
        candidates: Candidates,
        networks: Networks,
        targets: Predictions | None = None,
    ) -> Draft:
        """From candidates to a draft; `targets` give the soft targets in place of the networks that decide."""
        state, diagnostics = self._decide(priors, gt, candidates)
        index, quality, reason = self._resolve(priors, gt, candidates, state, networks)
        soft = self._soft_targets(priors, gt, networks if targets is None else Networks(targets), index)
        return Draft(index, quality, reason, soft, {"non_finite": candidates.non_finite}, diagnostics)
