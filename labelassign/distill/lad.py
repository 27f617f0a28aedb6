"""Label assignment distillation."""

# pyright: reportPrivateUsage=false
# A wrapper runs the stages of the assigner that it wraps.

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor

from labelassign import checks
from labelassign.assigners.base import Assigner
from labelassign.assigners.cost_based import CostAssigner
from labelassign.assigners.draft import Draft
from labelassign.structures import GroundTruth, Predictions, Priors


def require_costs(who: str, assigner: object) -> None:
    """Refuse an assigner that a network's predictions cannot decide."""
    if not isinstance(assigner, CostAssigner):
        fix = "Distillation needs an assigner whose costs come from predictions, like PAA()."
        checks.fail(who, "a CostAssigner to wrap", checks.describe(assigner), fix, TypeError)
    if not getattr(assigner, "shared_queries", True):
        fix = "If query i of both networks is the same one, say so: shared_queries=True."
        checks.fail(who, "an assigner whose queries two networks share", checks.describe(assigner), fix, TypeError)


@dataclass(frozen=True)
class LAD(Assigner):
    """Label Assignment Distillation: the wrapped assigner, decided by a teacher's predictions.

    The student never sees the teacher's outputs, only which of its priors learn which object. Student and teacher share
    the grid of priors and the classes, nothing else. Run the teacher in eval mode, without gradient.

    Source: Nguyen et al., 2022, arXiv:2108.10520, section 3.2.   Differs: the published code also stops weighting the
    box loss by IoU; here that stays the loss's choice.

    Arguments:
        assigner: any cost-based assigner.
        targets: whose predictions give soft class targets, "teacher" (the deciding network) or "student".
    Ties, empty images, cost: as the wrapped assigner.
    Raises: TypeError for an assigner without costs or of queries that are not shared; ValueError without a teacher, or
    over another layout of priors.

    Example:
        >>> a = la.LAD(la.PAA())(priors, gt, teacher=predictions)
        >>> bool((a.gt_index == la.PAA()(priors, gt, predictions).gt_index).all())
        True
    """

    assigner: CostAssigner
    targets: str = "teacher"
    ignore_iof: float | None = field(init=False)

    def __post_init__(self) -> None:
        """Check the options; ignore regions are the wrapped assigner's rule."""
        require_costs("LAD", self.assigner)
        checks.choice("LAD", "targets", self.targets, ("teacher", "student"))
        object.__setattr__(self, "ignore_iof", self.assigner.ignore_iof)

    @property
    def needs(self) -> frozenset[str]:
        """What a call must bring beside priors and ground truth."""
        return frozenset({"teacher"} if self.targets == "teacher" else {"teacher", "predictions"})

    @property
    def takes_rotated(self) -> bool:
        """What the wrapped assigner takes."""
        return self.assigner.takes_rotated

    def _assign(
        self,
        priors: Priors,
        gt: GroundTruth,
        predictions: Predictions | None,
        teacher: Predictions | None,
        step: int | Tensor | None,
    ) -> Draft:
        assert teacher is not None
        return self.assigner._alone(priors, gt, teacher, None if self.targets == "teacher" else predictions)
