"""torchvision's encoding: for each image the row of every anchor's object, -1 background, -2 between thresholds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from labelassign.adapters.encoding import local_rows, of_owners, packed, packed_rows
from labelassign.structures import BACKGROUND, Assignment, GroundTruth


def to_torchvision(assignment: Assignment, *, ignore: bool = True) -> list[Tensor]:
    """`matched_idxs`: for each image the row of every anchor's object `[N]`, -1 background, -2 ignored.

    Arguments:
        assignment: of anchors.
        ignore: False: ignored anchors are background, for losses that do not know them.

    Example:
        >>> from labelassign.adapters.torchvision import to_torchvision
        >>> [row.unique().tolist() for row in to_torchvision(la.ATSS()(priors, gt))]
        [[-1, 0, 1], [-1, 0]]
    """
    if ignore:
        return list(local_rows(assignment))
    return list((assignment.gt_index - assignment.offsets[:-1, None]).clamp(min=BACKGROUND))


def from_torchvision(matched_idxs: Sequence[Tensor], gt: GroundTruth) -> Assignment:
    """The opposite; quality and class target are 1 on positives.

    Example:
        >>> from labelassign.adapters.torchvision import from_torchvision, to_torchvision
        >>> a = la.ATSS()(priors, gt)
        >>> from_torchvision(to_torchvision(a), gt).gt_index.equal(a.gt_index)
        True
    """
    return of_owners(packed_rows(matched_idxs, gt), gt)


def objects(targets: Sequence[Mapping[str, Tensor]], first_label: int = 0) -> GroundTruth:
    """Objects as torchvision's models have them; `first_label` is the number of their first class."""
    boxes, labels = ([each[name] for each in targets] for name in ("boxes", "labels"))
    crowd = None
    if any("iscrowd" in each for each in targets):
        crowd = [each.get("iscrowd", torch.zeros_like(label)) for each, label in zip(targets, labels, strict=True)]
    if first_label:
        labels = [each - first_label for each in labels]
    return packed("targets", boxes, labels, crowd)
