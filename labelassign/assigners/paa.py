"""Probabilistic anchor assignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from torch import Tensor

from labelassign import checks
from labelassign.assigners.cost_based import Choose, CostAssigner, Decision, Pair
from labelassign.assigners.draft import Draft
from labelassign.costs import FocalIoU
from labelassign.mixture import Mixture, Separation
from labelassign.ops.candidates import candidates
from labelassign.ops.match import RESCUE_HIGHEST, RESCUE_LAST, RESCUE_OFF
from labelassign.ops.mixture import settle
from labelassign.ops.objects import objects
from labelassign.ops.paa import paa
from labelassign.ops.rivals import award, rivals
from labelassign.structures import Candidates, GroundTruth, Predictions, Priors

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
    Cost: two passes over [G, N] in blocks, then O(G·L·K).   Raises: ValueError for unknown rules.

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
        """The authors' code (GIoU, rescued priors keep their argmax, interleaved prefix) but for its pixel per side."""
        cost, loose = FocalIoU(generalized=True), Separation(prefix="interleaved")
        return cls(low_quality="restore_argmax", zero_rescues=True, cost=cost, separation=loose, ignore_iof=None)

    def _alone(
        self, priors: Priors, gt: GroundTruth, deciding: Predictions, targets: Predictions | None = None
    ) -> Draft:
        """All in one op, unless a subclass changes a step, or priors are seen where the network predicts them."""
        if type(self) is not PAA or priors.kind == "queries":
            return super()._alone(priors, gt, deciding, targets)
        rules = (*self._rules(deciding), *self.mixture.options, *self.separation.options, self._ignored_share)
        return _draft(paa(*_where(priors, gt, deciding), self.topk, *rules))

    def _together(self, priors: Priors, gt: GroundTruth, networks: Pair, choose: Choose) -> Draft:
        """Who may choose which prior is found once, and all after the choice is one op; where `_alone` is one."""
        if type(self) is not PAA or priors.kind == "queries":
            return super()._together(priors, gt, networks, choose)
        mine, other = networks
        (*where, levels), cost = _where(priors, gt, mine), self._rules(mine)
        given = (*where, other.scores, other.boxes, levels, self.topk, *cost[:5], other.scores_are, *cost[5:])
        prior, paid, iou, count, mean, variance, reason, refused, chooser = rivals(*given)
        lists = (prior, paid, iou, iou[..., :0], count, mean, variance)
        first, second = (Candidates(*(t[i] for t in lists), reason=reason, non_finite=refused[i]) for i in (0, 1))
        choice = (choose(first, second), prior, paid, None if self.shared == "overlap" else chooser, reason)
        answer = award(*choice, *where[:7], *self.mixture.options, *self.separation.options, self._ignored_share)
        return _draft((*answer[:6], refused.sum(0), *answer[6:]))

    def _propose(self, priors: Priors, gt: GroundTruth, predictions: Predictions, moments: bool = True) -> Candidates:
        """Candidates by prior overlap, then the `topk` of lowest cost on each level."""
        rules = (self.topk, 0, moments, *self._rules(predictions))
        return Candidates(*candidates(*_where(priors, gt, predictions), *rules))

    def _rules(self, predictions: Predictions) -> tuple[Any, ...]:
        """Who may choose which prior, and what that costs."""
        rescue = RESCUE_LAST if self.last_row_wins and self.low_quality == "force_gt" else _RESCUES[self.low_quality]
        claims = (float(self.pos_iou), rescue, self.zero_rescues, self.low_quality == "force_gt")
        return *claims, self.shared == "overlap", *self.cost.terms(predictions)

    def _pairs(
        self, priors: Priors, gt: GroundTruth, predictions: Predictions, gt_row: Tensor, prior: Tensor
    ) -> tuple[Tensor, Tensor]:
        return self.cost.pairs(gt, predictions, gt_row, prior)

    def _decide(self, priors: Priors, gt: GroundTruth, candidates: Candidates) -> Decision:
        """Fit the mixture to each object's candidates of all levels, then separate them."""
        # levels come in the order of priors, so ties go by prior
        state, steps, converged = settle(candidates.cost.flatten(1), *self.mixture.options, *self.separation.options)
        return Decision(state.view_as(candidates.cost), {"mixture_steps": steps, "converged": converged})


def _where(priors: Priors, gt: GroundTruth, predictions: Predictions) -> tuple[Any, ...]:
    given = (priors.boxes, priors.valid, *objects(gt, predictions), predictions.scores, predictions.boxes)
    return *given, list(priors.level_sizes)


def _draft(found: Sequence[Tensor]) -> Draft:
    *answer, refused, steps, converged = found
    rows = {"mixture_steps": steps, "converged": converged}
    return Draft.completed(answer, diagnostics={"non_finite": refused}, row_diagnostics=rows)
