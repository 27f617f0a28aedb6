"""One input of an assigner, as the laws pass it around."""

from __future__ import annotations

from dataclasses import dataclass

from labelassign.assigners import Assigner
from labelassign.structures import Assignment, GroundTruth, Predictions, Priors


@dataclass(frozen=True, eq=False, repr=False)
class Scene:
    """Everything that an assigner may be called with; methods take from it what they need.

    Attributes:
        priors: N priors.
        gt: ground truth of B images; rows may be padding or ignored regions.
        predictions: of the network that is being trained.
        teacher: of the deciding or the other network.
        step: training step; also the seed of whatever a law adds at random.

    Example:
        >>> from labelassign.testing import Scene
        >>> Scene(priors, gt, predictions, teacher).assign(la.ATSS()).per_gt_count.tolist()
        [9, 7, 4]
    """

    priors: Priors
    gt: GroundTruth
    predictions: Predictions
    teacher: Predictions
    step: int = 0

    def assign(self, assigner: Assigner) -> Assignment:
        """Call the assigner with all of it."""
        return assigner(self.priors, self.gt, self.predictions, teacher=self.teacher, step=self.step)

    def __repr__(self) -> str:
        priors, gt = self.priors, self.gt
        valid = "" if priors.valid is None else f", {priors.valid.sum(1).tolist()} of them valid"
        boxes = [image["boxes"].tolist() for image in gt.to_list()]
        labels, ignore = gt.labels.tolist(), gt.ignore.tolist()
        return (
            f"Scene({priors.kind} {list(priors.boxes.shape)} on levels of {priors.level_sizes}{valid}; "
            f"objects {boxes}, labels {labels}, ignore {ignore}, {gt.num_rows} rows; "
            f"{self.predictions.scores_are} {list(self.predictions.scores.shape)}; step {self.step})"
        )
