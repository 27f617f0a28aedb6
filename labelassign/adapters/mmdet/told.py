"""A decision, as one loss of one head asks for it."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from labelassign.adapters.encoding import overlap_at, owned
from labelassign.adapters.mmdet.encoding import to_mmdet
from labelassign.structures import Assignment, GroundTruth, Predictions, Priors


class Told:
    """Stands in for a head's assigner while it computes one loss: each image, in order, gets what was decided."""

    def __init__(self, assignment: Assignment, gt: GroundTruth, priors: Priors, said: Predictions | None) -> None:
        """`said`: by the network whose loss it is; None: nobody reads `max_overlaps`, which are the quality then."""
        self.assignment, self.gt, self.priors = assignment, gt, priors
        self.said = said
        self._next: Any = None

    def assign(self, *_: Any, **__: Any) -> Any:
        """The next image's answer, for the anchors that the head trains there."""
        if self._next is None:
            self._next = iter(enumerate(to_mmdet(self.assignment, self.gt, overlaps=self._overlaps())))
        i, result = next(self._next)
        result.assign_metrics = self.assignment.quality[i]
        if self.priors.valid is not None:
            trained = self.priors.valid[i]
            for name in ("gt_inds", "max_overlaps", "labels", "assign_metrics"):
                setattr(result, name, getattr(result, name)[trained])
            extra = result._extra_properties
            extra.update({name: value[trained] for name, value in extra.items()})
        return result

    def _overlaps(self) -> Tensor | None:
        """Of predictions with their objects `[B, N]`, 0 where there is none."""
        if self.said is None:
            return None
        places, rows = owned(self.assignment)
        found = self.assignment.quality.new_zeros(self.assignment.quality.numel())
        found[places] = overlap_at(places, rows, self.said.boxes, self.gt)
        return found.view_as(self.assignment.quality)
