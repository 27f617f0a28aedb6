"""YOLOX's encoding: for each image the points that learn, and what."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.adapters.encoding import of_owners, owned, packed_rows
from labelassign.structures import Assignment, GroundTruth

Matches = tuple[Tensor, Tensor, Tensor, Tensor, int]


def to_yolox(assignment: Assignment, gt: GroundTruth, overlap: Tensor) -> list[Matches]:
    """What `get_assignments` gives, image by image: classes `[P]`, mask `[N]`, overlaps `[P]`, rows `[P]`, and P.

    Arguments:
        assignment: of points. Ignored ones are background: there is no other state.
        gt: the objects of the call.
        overlap: of every prior's prediction with its object `[B, N]`, which is the class target of YOLOX's loss.

    Example:
        >>> from labelassign.adapters.yolox import from_yolox, to_yolox
        >>> found = to_yolox(a, gt, a.overlap(predictions.boxes, gt))
        >>> from_yolox(found, gt).gt_index.equal(torch.where(a.positive, a.gt_index, la.BACKGROUND))
        True
    """
    places, rows = owned(assignment)
    return matches(assignment, gt, rows, overlap.flatten()[places])


def matches(assignment: Assignment, gt: GroundTruth, rows: Tensor, overlap: Tensor) -> list[Matches]:
    """The same for positives that are known: their rows, and the overlaps of their predictions `[P]`."""
    masks, labels = assignment.positive, gt.labels[rows]
    counts = masks.sum(1).tolist()
    parts = [values.split(counts) for values in (labels, overlap, rows)]
    each = zip(masks, *parts, gt.offsets[:-1], counts, strict=True)
    return [(label, mask, iou, row - start, count) for mask, label, iou, row, start, count in each]


def from_yolox(found: list[Matches], gt: GroundTruth) -> Assignment:
    """The opposite; quality and class target are 1 on positives."""
    rows = [torch.full(mask.shape, -1, device=mask.device).masked_scatter(mask, row) for _, mask, _, row, _ in found]
    return of_owners(packed_rows(rows, gt), gt)
