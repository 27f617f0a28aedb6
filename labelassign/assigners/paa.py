"""Probabilistic anchor assignment."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor

from labelassign import checks
from labelassign.assigners.cost_based import CostAssigner, Decision
from labelassign.assigners.draft import reached_rows, usable_rows
from labelassign.costs import FocalIoU
from labelassign.mixture import Mixture, Separation
from labelassign.ops.match import RESCUE_HIGHEST, RESCUE_LAST, RESCUE_OFF, match, members
from labelassign.structures import Candidates, GroundTruth, Predictions, Priors, Reason

_RESCUES = {"off": RESCUE_OFF, "force_gt": RESCUE_HIGHEST, "restore_argmax": RESCUE_HIGHEST}


@dataclass(frozen=True)
class PAA(CostAssigner):
    """Probabilistic Anchor Assignment.

    Propose: priors with IoU >= `pos_iou`, each with the object that it overlaps most, plus every object's best priors.
    Cost: focal loss + (1 - IoU) of the prediction. Top-k per level, a mixture of two Gaussians on the costs that stay,
    and the priors up to the densest one of the low component are positive.

    Equals: the steps of mmdet 3.3.0 PAAHead in float64, through `mmdet()` (tests/parity).   Differs: the plain class
    has the cost of Nguyen et al. (plain IoU, weight 1), needs a positive overlap to rescue, keeps a single candidate,
    and keeps all candidates if none belongs to the low component; mmdet drops both kinds of object.

    Source: Kim and Lee, 2020, arXiv:2007.08103, section 3.2; cost: Nguyen et al., 2022, arXiv:2108.10520, equation 2.

    Arguments:
        topk: candidates per ground truth and level.
        pos_iou: least IoU of a candidate.
        low_quality: "force_gt" (an object's best priors become its candidates), "restore_argmax" (they become
            candidates of the object that they overlap most) or "off".
        zero_rescues: an object without any overlap may be rescued, too (a defect of the published code).
        last_row_wins: between two objects of one best prior the later row wins (mmdet).
        shared: "partition" (all published code: a prior is a candidate of one object) or "overlap" (of every object
            that it overlaps enough; a prior that two of them keep goes to the lower cost).
        cost: the cost of a pair.
        mixture: how the mixture is fitted.
        separation: how the fitted mixture separates the candidates.
        ignore_iof: see `Assigner`.
    Ties: lower cost, then lower prior index; conflicts: lower ground-truth row.   Empty image: all background.
    Cost: two passes over [G, N] in blocks, then O(G·L·K).
    Raises: ValueError for unknown rules.

    Example:
        >>> la.PAA()(priors, gt, predictions).per_gt_count.tolist()
        [6, 6, 4]
    """

    topk: int = 9
    pos_iou: float = 0.1
    low_quality: str = "force_gt"
    zero_rescues: bool = False
    last_row_wins: bool = False
    shared: str = "partition"
    cost: FocalIoU = field(default_factory=FocalIoU)
    mixture: Mixture = field(default_factory=Mixture)
    separation: Separation = field(default_factory=Separation)
    ignore_iof: float | None = 0.5

    def __post_init__(self) -> None:
        """Check the options."""
        checks.positive("PAA", "topk", self.topk)
        checks.choice("PAA", "low_quality", self.low_quality, _RESCUES)
        checks.choice("PAA", "shared", self.shared, ("partition", "overlap"))

    @classmethod
    def mmdet(cls) -> Self:
        """As mmdet 3.3.0 PAAHead: GIoU of weight 1.3; single candidates and empty low components own nothing.

        A predicted box with both corners out of order can cost less than nothing there; its GIoU ends at 1 here.
        """
        cost, strict = FocalIoU(generalized=True, iou_weight=1.3), Separation(single="drop", empty_low="none")
        return cls(cost=cost, separation=strict, zero_rescues=True, last_row_wins=True, ignore_iof=None)

    @classmethod
    def original(cls) -> Self:
        """The authors' code: GIoU of weight 1, rescued priors keep their argmax, the prefix takes interleaved ones.

        Its overlaps count one pixel more per side; that is not reproduced.
        """
        cost, loose = FocalIoU(generalized=True), Separation(prefix="interleaved")
        return cls(low_quality="restore_argmax", zero_rescues=True, cost=cost, separation=loose, ignore_iof=None)

    def _propose(self, priors: Priors, gt: GroundTruth, predictions: Predictions) -> Candidates:
        """Candidates by prior overlap, then the `topk` of lowest cost on each level."""
        usable = usable_rows(gt, predictions)
        rescue = RESCUE_LAST if self.last_row_wins and self.low_quality == "force_gt" else _RESCUES[self.low_quality]
        if self.shared == "overlap":
            where = (priors.boxes, priors.valid, gt.boxes, usable, gt.image_of)
            member = members(*where, self.pos_iou, rescue, self.zero_rescues)
            rows = torch.arange(gt.num_rows, device=member.device)
            row, prior = torch.where(member, rows[:, None], -1).flatten(), self._index(priors, gt.num_rows)
            reason = torch.where(member.any(1), Reason.FINE, Reason.NO_CANDIDATE)
        else:
            owner, best = self._partition(priors, gt, usable, rescue)
            row, prior = owner.flatten(), self._index(priors, gt.num_images)
            # whoever overlaps enough and owns nothing has lost its priors to objects that overlap them more
            needy = (best > 0) | (self.zero_rescues & reached_rows(priors, gt))
            claims = (best >= self.pos_iou) | (needy & (rescue != RESCUE_OFF))
            reason = torch.where(claims, Reason.LOST, Reason.NO_CANDIDATE)
        ranked = self.cost.rank(row, prior, priors, gt, predictions, self.topk)
        prior, cost, iou, best_iou, count, mean, variance, refused = ranked
        had = torch.zeros_like(reason).scatter_reduce(0, row.clamp(min=0), (row >= 0).long(), "amax")
        reason = torch.where(had > 0, Reason.REJECTED, reason)
        return Candidates(prior, cost, iou, best_iou, count, mean, variance, reason, refused)

    def _partition(self, priors: Priors, gt: GroundTruth, usable: Tensor, rescue: int) -> tuple[Tensor, Tensor]:
        where = (priors.boxes, priors.valid, gt.boxes, usable, gt.image_of, gt.num_images)
        iou, row, best, claim = match(*where, rescue, 0.0, self.zero_rescues, True)
        claimed = claim if self.low_quality == "force_gt" else row
        return torch.where(claim >= 0, claimed, torch.where(iou >= self.pos_iou, row, -1)), best

    @staticmethod
    def _index(priors: Priors, times: int) -> Tensor:
        return torch.arange(priors.count, device=priors.boxes.device).repeat(times)

    def _pairs(
        self, priors: Priors, gt: GroundTruth, predictions: Predictions, gt_row: Tensor, prior: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self.cost.pairs(gt, predictions, gt_row, prior)

    def _decide(self, priors: Priors, gt: GroundTruth, candidates: Candidates) -> Decision:
        """Fit the mixture to each object's candidates of all levels, then separate them."""
        flat = candidates.cost.flatten(1)
        # levels come in the order of priors, so a stable sort breaks ties by prior
        cost, order = flat.sort(dim=1, stable=True)
        count = torch.isfinite(cost).sum(1)
        fit = self.mixture.fit(cost, count)
        state = self.separation(cost, count, *self.mixture.classify(cost, count, fit))
        state = torch.zeros_like(state).scatter(1, order, state)
        return Decision(state.view_as(candidates.cost), {"mixture_steps": fit.steps, "converged": fit.converged})
