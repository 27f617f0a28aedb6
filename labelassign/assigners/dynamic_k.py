"""What SimOTA and its followers share: how many candidates an object takes, and what it is worth to learn them."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.assigners.central import Central
from labelassign.assigners.cost_based import Decision, Networks
from labelassign.ops.central.decide import among_the_cheapest
from labelassign.structures import Candidates, GroundTruth, Priors


class DynamicK(Central):
    """As many of the cheapest candidates as the `topk` largest overlaps sum up to, one at least; conflicts by cost."""

    topk: int

    @property
    def _lists(self) -> tuple[int, int]:
        return self.topk, self.topk

    @property
    def _by(self) -> str:
        return "cost"

    def _decide(self, priors: Priors, gt: GroundTruth, candidates: Candidates) -> Decision:
        """The cheapest, as many as the best overlaps sum up to."""
        held = (candidates.prior >= 0) & among_the_cheapest(candidates.best_iou, candidates.cost.shape[-1])
        return Decision(held.to(torch.int8), {})

    def _soft_targets(self, priors: Priors, gt: GroundTruth, networks: Networks, gt_index: Tensor) -> Tensor | None:
        return self._owned(priors, gt, networks, gt_index)[1]
