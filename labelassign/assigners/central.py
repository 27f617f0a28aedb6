"""Cost-based assigners whose candidates are known by where their centres lie."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, final

import torch
from torch import Tensor

from labelassign import checks
from labelassign.assigners.cost_based import CostAssigner, Networks
from labelassign.ops.central import central, central_pairs, contest
from labelassign.ops.central.costs import Rule
from labelassign.ops.central.scene import Region, Where
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

    @abstractmethod
    def _rule(self, predictions: Predictions) -> Rule:
        """What a pair costs."""

    @property
    @abstractmethod
    def _by(self) -> str:
        """What a conflict is decided by: "cost" or "iou"."""

    @final
    def _where(self, priors: Priors, gt: GroundTruth, predictions: Predictions) -> tuple[Any, ...]:
        name = type(self).__name__
        if priors.kind == "queries":
            checks.fail(name, "priors with a place in the image", "queries", "Use Hungarian for queries.")
        if priors.strides is None and (self._region.region != "box" or self._rule(predictions).cost == "soft"):
            fix = "Make them with `Priors.grid` or `Priors.points`, or pass `strides=`."
            checks.fail(name, "priors with `strides`, in which its radius counts", "strides=None", fix)
        strides = None if priors.strides is None else priors.strides.float()
        where = Where(priors.boxes, priors.valid, strides, *objects(gt, predictions))
        objectness = predictions.objectness if self._rule(predictions).cost == "simota" else None
        network = (predictions.scores, predictions.boxes, objectness)
        return *where, *self._region, *network, *self._rule(predictions)

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
        choices = (*(t.flatten(1) for t in lists), candidates.reason, self._by, self.conflict)
        where = self._where(priors, gt, networks.first)
        index, paid, reason = contest(*where, *other, chosen, *choices)
        return index, torch.exp(-paid.double()).float(), reason
