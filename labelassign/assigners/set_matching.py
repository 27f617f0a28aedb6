"""The steps of a matcher of queries and objects, so that another network may decide."""

from __future__ import annotations

from abc import abstractmethod
from typing import TypeAlias, final

import torch
from torch import Tensor

from labelassign import checks, solvers
from labelassign.assigners.cost_based import CostAssigner, Decision, Networks
from labelassign.assigners.draft import Draft
from labelassign.geometry import paired_iou
from labelassign.ops.hungarian import set_cost
from labelassign.ops.objects import objects
from labelassign.structures import Candidates, GroundTruth, Predictions, Priors, Reason

Terms: TypeAlias = tuple[str | float, ...]


class SetMatching(CostAssigner):
    """Every object has a cost with every query of its image, and the matching of least total cost decides.

    Its candidates are all queries in their order, not the cheapest first: [G, 1, N].
    """

    groups: int
    repeats: int
    solver: str
    shared_queries: bool

    @property
    @abstractmethod
    def _terms(self) -> Terms:
        """What `set_cost` takes of the options."""

    def _alone(
        self, priors: Priors, gt: GroundTruth, deciding: Predictions, targets: Predictions | None = None
    ) -> Draft:
        return self._match(priors, gt, deciding, _sizes(gt))

    @final
    def _match(self, priors: Priors, gt: GroundTruth, predictions: Predictions, sizes: Tensor) -> Draft:
        cost, non_finite = self._costs(priors, gt, predictions, sizes)
        return Draft(*self._matched(gt, cost), diagnostics={"non_finite": non_finite})

    def _propose(self, priors: Priors, gt: GroundTruth, predictions: Predictions, moments: bool = True) -> Candidates:
        cost, non_finite = self._costs(priors, gt, predictions, _sizes(gt))
        fits = torch.isfinite(cost)
        query = torch.where(fits, torch.arange(cost.shape[1], device=cost.device), -1)
        iou = torch.where(fits, paired_iou(predictions.boxes[gt.image_of], gt.boxes[:, None]), 0.0)
        count, value = fits.sum(1, keepdim=True), torch.where(fits, cost, 0.0).double()
        mean = value.sum(1, keepdim=True) / count.clamp(min=1)
        squares = torch.where(fits, value - mean, 0.0).square().sum(1, keepdim=True)
        variance = torch.where(count > 1, squares / (count - 1).clamp(min=1), 0.0)
        lists = (query[:, None], cost[:, None], iou[:, None], iou[:, None, :0])
        return Candidates(*lists, count, mean, variance, _reason(cost).long(), non_finite)

    def _pairs(
        self, priors: Priors, gt: GroundTruth, predictions: Predictions, gt_row: Tensor, prior: Tensor
    ) -> tuple[Tensor, Tensor]:
        row = gt_row.clamp(min=0)
        cost = self._costs(priors, gt, predictions, _sizes(gt))[0][row, prior]
        cost = torch.where(gt_row >= 0, cost, torch.inf)
        iou = paired_iou(predictions.boxes[gt.image_of[row], prior], gt.boxes[row])
        return cost, torch.where(torch.isfinite(cost), iou, 0.0)

    def _decide(self, priors: Priors, gt: GroundTruth, candidates: Candidates) -> Decision:
        """All stay: what is matched depends on all."""
        return Decision((candidates.prior >= 0).to(torch.int8), {})

    def _resolve(
        self, priors: Priors, gt: GroundTruth, candidates: Candidates, state: Tensor, networks: Networks
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The matching over rows of costs, each of the network that was chosen for it."""
        return self._matched(gt, torch.where(state > 0, candidates.cost, torch.inf).flatten(1))

    @final
    def _costs(self, priors: Priors, gt: GroundTruth, predictions: Predictions, sizes: Tensor) -> tuple[Tensor, Tensor]:
        """Of every object with every query of its image `[G, N]`, and the refused predictions of each image `[B]`."""
        if priors.count % self.groups:
            fix = "Leave the groups out at test time: `groups=1`."
            checks.fail(type(self).__name__, f"queries that divide into {self.groups} equal groups", priors.count, fix)
        where = (priors.boxes, priors.valid, *objects(gt, predictions), sizes)
        return set_cost(*where, predictions.scores, predictions.boxes, predictions.scores_are, *self._terms)

    @final
    def _matched(self, gt: GroundTruth, cost: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One owner per query and its quality `[B, N]`, and a reason per row `[G]`."""
        index = solvers.linear_assignment(cost, gt.offsets, self.groups, self.repeats, self.solver)
        paid = cost.gather(0, index.clamp(min=0))
        return index, torch.where(index >= 0, torch.sigmoid(-paid.double()).float(), 0.0), _reason(cost)


def _reason(cost: Tensor) -> Tensor:
    return torch.where((cost < torch.inf).any(1), Reason.FINE.value, Reason.NO_CANDIDATE.value).to(torch.int8)


def _sizes(gt: GroundTruth) -> Tensor:
    sizes = gt.image_sizes
    if sizes is None:
        fix = 'Give every image "image_size": (height, width) in `GroundTruth.from_list`.'
        checks.fail("Hungarian", "`gt.image_sizes`, which the L1 cost divides by", "image_sizes=None", fix)
    if checks.values_visible(sizes) and not bool((torch.isfinite(sizes) & (sizes > 0)).all()):
        checks.fail("Hungarian", "`gt.image_sizes` in pixels, above 0", sizes.tolist(), "Mend the sizes.")
    return sizes
