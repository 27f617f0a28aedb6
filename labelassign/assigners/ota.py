"""Optimal transport assignment."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from labelassign import checks
from labelassign.assigners import inputs
from labelassign.assigners.cost_based import CostAssigner, Decision, Networks
from labelassign.ops.central.scene import Where
from labelassign.ops.objects import objects
from labelassign.ops.transport import transport, transport_candidates, transport_pairs
from labelassign.structures import Candidates, GroundTruth, Predictions, Priors


@dataclass(frozen=True)
class OTA(CostAssigner):
    """Every object supplies k priors, the background all others, at the least cost in sum: optimal transport.

    An object may have the priors whose centre lies strictly in it and less than `radius` strides from its own along
    both axes. A unit costs focal loss - `iou_weight` · log(IoU); from the background, the focal loss without any
    object. k = the `topk` largest overlaps of candidates, summed and rounded down, at least 1 and at most their number.
    Sinkhorn's iterations solve it, smoothed by an entropy; a prior goes to whoever gives the largest share of it, which
    is its `quality`. An object may so end with more or fewer than k. `diagnostics["supply"]` `[G]` are the k.

    A prior that no object may have is the background's in every plan, and a pair that cannot be has no share: so the
    plan over lists of pairs is that over all of them, in memory O(G·K), K priors listed per object. 20,000 objects of
    one image pass. POT solves no part of it: its batches are dense `[B, G + 1, N]`, of one size, and it waits for the
    device to know when to stop. It is the oracle of the tests.

    Equals: the dense iterations of the paper over all priors, up to what 50 of them leave open (tests: 1 of 750
    positives).   Differs: the authors' code lets an object without candidates take a prior anywhere, and see `rescale`.

    Source: Ge et al., 2021, arXiv:2103.14259, sections 3.2 and 3.3; Sinkhorn: Cuturi, 2013, arXiv:1306.0895.

    Arguments:
        topk: how many overlaps decide on k. Paper: q.
        radius: see above.
        alpha, gamma: of the focal loss.
        iou_weight: weight of the box cost. Paper: alpha in equation 1.
        eps: weight of the entropy. Paper: gamma in equation 4. Smaller: nearer to the exact plan, slower to reach.
        iterations: rounds of rows and columns. Paper: T.
        rescale: compare an object's shares with its largest, as the authors' code does: every object then takes at
            least one of its candidates, unless another object has that one, too.
        listed: K; an object lists its cheapest. None: all that it can have on a grid, ceil(2·radius)² per level and
            anchor of a cell.
        ignore_iof: see `Assigner`.
    Ties: object before background, then the lower cost over background, then the lower row: of equal objects the later
    one ends with nothing.
    Empty image: all background.   Cost: time O(G·N + iterations·G·K).
    Raises: ValueError for options out of range, queries, or priors without strides.

    Example:
        >>> a = la.OTA()(priors, gt, predictions)
        >>> a.per_gt_count.tolist(), a.diagnostics["supply"].tolist()
        ([6, 7, 7], [7, 7, 8])
    """

    topk: int = 20
    radius: float = 2.5
    alpha: float = 0.25
    gamma: float = 2.0
    iou_weight: float = 1.5
    eps: float = 0.1
    iterations: int = 50
    rescale: bool = False
    listed: int | None = None
    ignore_iof: float | None = 0.5

    def __post_init__(self) -> None:
        """Check the options."""
        for name in ("topk", "radius", "eps", "iterations"):
            checks.positive("OTA", name, getattr(self, name))
        for name in ("gamma", "iou_weight"):
            checks.positive("OTA", name, getattr(self, name), zero=True)
        if self.listed is not None:
            checks.positive("OTA", "listed", self.listed)
        if not 0 <= self.alpha <= 1:
            checks.fail("OTA", "0 <= alpha <= 1", self.alpha, "It weighs a class that is there.")

    def _propose(self, priors: Priors, gt: GroundTruth, predictions: Predictions, moments: bool = True) -> Candidates:
        """All candidates of all levels together, cheapest first."""
        inputs.check_places("OTA", priors, strides=True)
        where = Where(priors.boxes, priors.valid, priors.strides, *objects(gt, predictions))
        rules = (float(self.radius), *self._network(predictions), self._length(priors), self.topk, moments)
        return Candidates(*transport_candidates(*where, *rules))

    def _pairs(
        self, priors: Priors, gt: GroundTruth, predictions: Predictions, gt_row: Tensor, prior: Tensor
    ) -> tuple[Tensor, Tensor]:
        return transport_pairs(gt_row, prior, gt.image_of, gt.boxes, gt.labels, *self._network(predictions))[:2]

    def _decide(self, priors: Priors, gt: GroundTruth, candidates: Candidates) -> Decision:
        """All may be had; how many are is for the transport to say."""
        return Decision((candidates.prior >= 0).to(torch.int8), {"supply": _supply(candidates)})

    def _resolve(
        self, priors: Priors, gt: GroundTruth, candidates: Candidates, state: Tensor, networks: Networks
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The transport plan of every image, and the largest share of every prior."""
        prior = torch.where(state > 0, candidates.prior, -1).flatten(1)
        excess = self._excess(gt, networks.first, prior)
        if networks.second is not None and networks.chosen is not None:
            excess = torch.where(networks.chosen[:, None], self._excess(gt, networks.second, prior), excess)
        rules = (float(self.eps), self.iterations, self.rescale)
        index, share, reason, _ = transport(prior, excess, _supply(candidates), gt.offsets, priors.count, *rules)
        return index, share, torch.where((prior >= 0).any(1), reason, candidates.reason.to(reason.dtype))

    def _excess(self, gt: GroundTruth, network: Predictions, prior: Tensor) -> Tensor:
        """What a unit costs more than from the background `[G, K]`: of each pair in one network, so rows may mix."""
        row = torch.arange(prior.shape[0], device=prior.device)[:, None]
        row = torch.where(prior >= 0, row, -1).flatten()
        where = (row, prior.clamp(min=0).flatten(), gt.image_of, gt.boxes, gt.labels)
        return transport_pairs(*where, *self._network(network))[2].view_as(prior)

    def _network(self, predictions: Predictions) -> tuple[Any, ...]:
        weights = (float(self.alpha), float(self.gamma), float(self.iou_weight), torch.finfo(torch.float32).eps)
        return predictions.scores, predictions.boxes, predictions.scores_are, *weights

    def _length(self, priors: Priors) -> int:
        """How many priors an object lists."""
        near = priors.per_cell * math.ceil(2 * self.radius) ** 2
        most = sum(min(size, near) for size in priors.level_sizes)
        return most if self.listed is None else min(most, self.listed)


def _supply(candidates: Candidates) -> Tensor:
    """Units of each object `[G]`."""
    best = candidates.best_iou.double().sum((1, 2)).floor().long().clamp(min=1)
    return torch.minimum(best, (candidates.prior >= 0).sum((1, 2)))
