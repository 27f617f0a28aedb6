"""What several adapters translate alike."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from labelassign.structures import IGNORE, Assignment, GroundTruth, Reason
from labelassign.structures.targets import count_rows


def local_rows(assignment: Assignment) -> Tensor:
    """`gt_index` with rows counted inside each image `[B, N]`; the codes below 0 stay."""
    index = assignment.gt_index
    return torch.where(index >= 0, index - assignment.offsets[:-1, None], index)


def packed_rows(local: Sequence[Tensor], gt: GroundTruth) -> Tensor:
    """The opposite: `gt_index` `[B, N]` from each image's own rows `[N]`."""
    index = torch.stack([row.long() for row in local])
    return torch.where(index >= 0, index + gt.offsets[:-1, None], index)


def of_owners(index: Tensor, gt: GroundTruth) -> Assignment:
    """An `Assignment` from owners `[B, N]` alone: quality and class target are 1 on positives."""
    positive = (index >= 0).float()
    owned = count_rows(index, gt.num_rows) > 0
    reason = torch.where(owned, int(Reason.FINE), int(Reason.NO_CANDIDATE)).to(torch.int8)
    counts = (index != IGNORE).float()
    return Assignment(index, positive, positive.clone(), counts, positive.clone(), reason, gt.offsets.clone(), {})
