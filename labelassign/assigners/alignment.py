"""Which of its candidates an object of task-aligned assignment may keep."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.geometry import centres
from labelassign.ops.central.scene import Region
from labelassign.structures import Candidates, GroundTruth, Priors


def listed(priors: Priors, gt: GroundTruth, candidates: Candidates, region: Region | None) -> Tensor:
    """State 1 of all candidates whose centre lies in that region of their object, `[G, L, K]`; None: of all."""
    held, prior = candidates.prior >= 0, candidates.prior.clamp(min=0)
    if region is not None:
        points = centres(priors.boxes)
        point = points[prior] if points.dim() == 2 else points[gt.image_of[:, None, None], prior]
        held &= region.parts(point, gt.boxes[:, None, None], None)[0]
    return held.to(torch.int8)
