"""Simplified optimal transport assignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from labelassign import checks
from labelassign.assigners.central import CONFLICTS
from labelassign.assigners.dynamic_k import DynamicK
from labelassign.ops.central.costs import Rule
from labelassign.ops.central.scene import Region
from labelassign.structures import Predictions

REGIONS = ("box", "centre", "both")


@dataclass(frozen=True)
class SimOTA(DynamicK):
    """Every object takes as many of its cheapest candidates as its best predicted overlaps add up to (dynamic k).

    Candidates: priors whose centre lies in the object and near its centre. Cost: binary cross-entropy of the class
    scores, summed over classes, - `iou_weight` · log(IoU). With objectness, a class's score is the geometric mean of
    both, as YOLOX has it. k = the `topk` largest overlaps of candidates, summed and rounded down, at least 1. A prior
    that several objects keep goes to the lowest cost. Soft target: the predicted overlap.

    Equals: mmdet 3.3.0 SimOTAAssigner through `mmdet()` (tests/parity).   Differs: the plain class lets an object
    choose its own candidates only; the published code adds a large number to the cost of others and takes them where k
    exceeds what an object has, and lets an object that did not keep a contested prior take it from those who did.

    Source: Ge et al., 2021, arXiv:2107.08430, section 2.1; dynamic k: Ge et al., 2021, arXiv:2103.14259, section 3.3.

    Arguments:
        topk: how many overlaps decide on k, and at most how many priors an object takes. Paper: q.
        radius: how near to the centre, in strides of the prior's level, along both axes.
        region: "both" (in the box and near its centre), "centre" or "box".
        cls_weight, iou_weight: weights of the cost's parts.
        eps: added to the overlap inside the logarithm.
        others: "never" or a number added to the cost of priors that only other objects' regions hold.
        conflict: "claimants" or "all", see `Central`.
        ignore_iof: see `Assigner`.
    Ties: lower cost, then lower prior index; conflicts: lower ground-truth row.   Empty image: all background.
    Raises: ValueError for unknown rules, or priors without strides.

    Example:
        >>> la.SimOTA()(priors, gt, predictions).per_gt_count.tolist()
        [4, 4, 4]
    """

    topk: int = 10
    radius: float = 2.5
    region: str = "both"
    cls_weight: float = 1.0
    iou_weight: float = 3.0
    eps: float = 1e-7
    others: float | str = "never"
    conflict: str = "claimants"
    ignore_iof: float | None = 0.5

    def __post_init__(self) -> None:
        """Check the options."""
        checks.positive("SimOTA", "topk", self.topk)
        checks.positive("SimOTA", "radius", self.radius)
        checks.choice("SimOTA", "region", self.region, REGIONS)
        checks.choice("SimOTA", "conflict", self.conflict, CONFLICTS)
        if self.others != "never":
            checks.positive("SimOTA", "others", self.others, zero=True)  # pyright: ignore[reportArgumentType]
        for name in ("cls_weight", "iou_weight", "eps"):
            checks.positive("SimOTA", name, getattr(self, name), zero=True)

    @classmethod
    def mmdet(cls) -> Self:
        """As mmdet 3.3.0 SimOTAAssigner: others' priors cost 1e5 more, and k counts their overlaps, too.

        An object whose every prior is cheaper for another one ends with none.
        """
        return cls(others=1e5, conflict="all", ignore_iof=None)

    @classmethod
    def yolox(cls) -> Self:
        """As the authors' code: 1.5 strides around the centre, whatever the box; others' priors cost 1e6 more."""
        return cls(radius=1.5, region="centre", eps=1e-8, others=1e6, conflict="all", ignore_iof=None)

    @property
    def _region(self) -> Region:
        pool, penalty = ("own", 0.0) if self.others == "never" else ("any", float(self.others))
        return Region(self.region, float(self.radius), 0.0, 0.0, pool, penalty)

    @property
    def _answer(self) -> tuple[str, bool, float] | None:
        return ("dynamic", False, 0.0) if type(self) is SimOTA else None

    def _rule(self, predictions: Predictions) -> Rule:
        weights = [float(self.cls_weight), float(self.iou_weight), float(self.eps)]
        return Rule("simota", weights, "iou", predictions.scores_are)
