"""Dynamic soft label assignment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from labelassign import checks
from labelassign.assigners.central import CONFLICTS
from labelassign.assigners.dynamic_k import DynamicK
from labelassign.ops.central.costs import Rule
from labelassign.ops.central.scene import Region
from labelassign.structures import Predictions


@dataclass(frozen=True)
class DynamicSoftLabel(DynamicK):
    """SimOTA's dynamic k, on a cost whose class part is measured against the soft label that the overlap gives.

    Candidates: priors whose centre lies strictly in the object. Cost: quality focal loss against a label that is the
    predicted overlap, summed over classes, - `iou_weight` · log(IoU), + 10^(distance of centres in strides -
    `radius`). Then as `SimOTA`. Moments, which CoLAD reads, leave the last term out: it is geometry.

    Equals: mmdet 3.3.0 DynamicSoftLabelAssigner through `rtmdet()` (tests/parity).   Differs: the plain class lets an
    object choose its own candidates only, and conflicts are among those who keep a prior.

    Source: Lyu et al., 2022, arXiv:2212.07784, section 3.3.

    Arguments:
        topk: how many overlaps decide on k, and at most how many priors an object takes.
        radius: strides from the object's centre from where on distance costs more than 1. Paper: alpha = 10, beta = 3.
        iou_weight: weight of the overlap's logarithm. Paper: 3.
        eps: added to the overlap inside the logarithm.
        others: "never", or "any": priors inside any object of the image may be chosen at their cost.
        conflict: "claimants" or "all", see `Central`.
        ignore_iof: see `Assigner`.
    Ties: lower cost, then lower prior index; conflicts: lower ground-truth row.   Empty image: all background.
    Raises: ValueError for unknown rules, or priors without strides.

    Example:
        >>> la.DynamicSoftLabel()(priors, gt, predictions).per_gt_count.tolist()
        [5, 5, 6]
    """

    topk: int = 13
    radius: float = 3.0
    iou_weight: float = 3.0
    eps: float = 1e-7
    others: str = "never"
    conflict: str = "claimants"
    ignore_iof: float | None = 0.5

    def __post_init__(self) -> None:
        """Check the options."""
        checks.positive("DynamicSoftLabel", "topk", self.topk)
        checks.choice("DynamicSoftLabel", "others", self.others, ("never", "any"))
        checks.choice("DynamicSoftLabel", "conflict", self.conflict, CONFLICTS)
        for name in ("radius", "iou_weight", "eps"):
            checks.positive("DynamicSoftLabel", name, getattr(self, name), zero=True)

    @classmethod
    def rtmdet(cls) -> Self:
        """As mmdet 3.3.0 for RTMDet: any object's priors, and a contested one goes to the lowest cost of all objects.

        An object whose every prior is cheaper for another one ends with none.
        """
        return cls(others="any", conflict="all", ignore_iof=None)

    @property
    def _region(self) -> Region:
        return Region("box", 0.0, 0.0, 0.0, "own" if self.others == "never" else "any", 0.0)

    @property
    def _answer(self) -> tuple[str, bool, float] | None:
        return ("dynamic", False, 0.0) if type(self) is DynamicSoftLabel else None

    def _rule(self, predictions: Predictions) -> Rule:
        weights = [float(self.iou_weight), float(self.radius), float(self.eps)]
        return Rule("soft", weights, "iou", predictions.scores_are)
