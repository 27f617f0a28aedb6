"""Cost-based assigners whose candidates are known by where their centres lie."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, final

import torch
from torch import Tensor

from labelassign.assigners import inputs
from labelassign.assigners.cost_based import CostAssigner, Networks
from labelassign.assigners.draft import Draft
from labelassign.ops.central import central, central_pairs, contest
from labelassign.ops.central.costs import Rule
from labelassign.ops.central.scene import Region, Where
from labelassign.ops.central_answer import central_answer
from labelassign.ops.keep import keep_best
from labelassign.ops.objects import objects
from labelassign.structures import Candidates, GroundTruth, Predictions, Priors

CONFLICTS = ("claimants", "all")


class Central(CostAssigner):
    """Candidates of all levels in one list; a prior that several objects keep goes to one of them by a named rule.

    `conflict`: "claimants", or "all": a prior that several objects keep is compared with all objects of its image that
    may choose it, and may go to one that did not keep it (SimOTA and ultralytics in their published code).
    """

    conflict: str

    @property
    @abstractmethod
    def _region(self) -> Region:
        """Who may choose whom."""

    @property
    @abstractmethod
    def _lists(self) -> tuple[int, int]:
        """How many candidates are listed, and how many largest overlaps."""

    @property
    def _answer(self) -> tuple[str, bool, float] | None:
        """`decide`, `shares` and `eps` of the op of the whole method; None: its stages run one after another."""
        return None

    @abstractmethod
    def _rule(self, predictions: Predictions) -> Rule:
        """What a pair costs."""

    @property
    def _by(self) -> str:
        """What a conflict is decided by: "iou" or "cost"."""
        return "iou"

    @property
    def _most(self) -> int | None:
        """How many priors an object keeps at most of those that it has won; None: all."""
        return None

    @final
    def _where(
        self, priors: Priors, gt: GroundTruth, predictions: Predictions, region: Region | None = None
    ) -> tuple[Any, ...]:
        counts = self._region.region != "box" or self._rule(predictions).cost == "soft"
        inputs.check_places(type(self).__name__, priors, counts)
        strides = None if priors.strides is None else priors.strides.float()
        where = Where(priors.boxes, priors.valid, strides, *objects(gt, predictions))
        objectness = predictions.objectness if self._rule(predictions).cost == "simota" else None
        network = (predictions.scores, predictions.boxes, objectness)
        return *where, *(region or self._region), *network, *self._rule(predictions)

    def _alone(
        self, priors: Priors, gt: GroundTruth, deciding: Predictions, targets: Predictions | None = None
    ) -> Draft:
        """All in one op, unless a subclass changes a step or another network gives the targets."""
        answer = self._answer
        if answer is None or targets is not None or self._most is not None:
            return super()._alone(priors, gt, deciding, targets)
        decide, shares, eps = answer
        rules = (self._lists[0], decide, self._by, self.conflict, shares, eps, self._ignored_share)
        *done, non_finite = central_answer(*self._where(priors, gt, deciding), *rules)
        return Draft.completed(done, diagnostics={"non_finite": non_finite})

    def _propose(self, priors: Priors, gt: GroundTruth, predictions: Predictions, moments: bool = True) -> Candidates:
        """The cheapest candidates of all levels together."""
        return Candidates(*central(*self._where(priors, gt, predictions), *self._lists, moments))

    def _pairs(
        self, priors: Priors, gt: GroundTruth, predictions: Predictions, gt_row: Tensor, prior: Tensor
    ) -> tuple[Tensor, Tensor]:
        return central_pairs(gt_row, prior, *self._where(priors, gt, predictions))

    def _resolve(
        self, priors: Priors, gt: GroundTruth, candidates: Candidates, state: Tensor, networks: Networks
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The lowest cost or the highest overlap wins, then the lower row."""
        other: tuple[Tensor | None, ...] = (None, None, None)
        if networks.second is not None:
            other = (networks.second.scores, networks.second.boxes, networks.second.objectness)
        chosen = None if networks.second is None else networks.chosen
        lists = (candidates.prior, candidates.cost, candidates.iou, state > 0)
        pool = "claimants" if self.conflict == "claimants" else "all"
        choices = (*(t.flatten(1) for t in lists), candidates.reason, self._by, pool)
        every = self._region._replace(pool="every") if self.conflict == "every" else None
        where = self._where(priors, gt, networks.first, every)
        index, paid, reason = contest(*where, *other, chosen, *choices)
        if self._most is not None:
            index, paid = keep_best(index, paid, self._most, gt.num_rows)
        return index, torch.exp(-paid.double()).float(), reason
