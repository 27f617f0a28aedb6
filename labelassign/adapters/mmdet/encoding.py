"""mmdet's encoding: for each image `gt_inds`, 0 background, -1 ignored, else one more than the row of the object."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from labelassign.adapters.encoding import local_rows, of_owners, packed_rows
from labelassign.adapters.packages import need
from labelassign.structures import Assignment, GroundTruth
from labelassign.structures.targets import take_rows

EXTRA = ("quality", "cls_target", "cls_weight", "loc_weight")


def to_mmdet(assignment: Assignment, gt: GroundTruth, *, overlaps: Tensor | None = None) -> list[Any]:
    """One `AssignResult` per image.

    Nothing is lost: `quality`, `cls_target`, `cls_weight` and `loc_weight` go along as extra properties.

    Arguments:
        assignment: of a batch.
        gt: the ground truth of the call; ignored rows come after an image's objects, if there are any.
        overlaps: `[B, N]`, what `max_overlaps` is to be; None: the quality, which is 0 where not positive.

    Example:
        >>> from labelassign.adapters.mmdet import to_mmdet
        >>> [r.gt_inds.unique().tolist() for r in to_mmdet(la.ATSS()(priors, gt), gt)]
        [[0, 1, 2], [0, 1]]
    """
    result = _result()
    rows, labels = local_rows(assignment) + 1, take_rows(gt.labels, assignment.gt_index, -1)
    counts = assignment.offsets.diff().tolist()
    found = assignment.quality if overlaps is None else overlaps
    results = [result(*each) for each in zip(counts, rows, found, labels, strict=True)]
    for i, each in enumerate(results):
        for name in EXTRA:
            each.set_extra_property(name, getattr(assignment, name)[i])
    return results


@functools.cache
def _result() -> Any:
    """Asked for in every step; looking for a package takes as long as assigning."""
    need("mmdet")
    from mmdet.models.task_modules.assigners import AssignResult

    return AssignResult


def from_mmdet(results: Sequence[Any], gt: GroundTruth) -> Assignment:
    """The opposite, of one `AssignResult` per image; the extra properties of `to_mmdet` come back if they are there.

    Example:
        >>> from labelassign.adapters.mmdet import from_mmdet, to_mmdet
        >>> a = la.PAA()(priors, gt, predictions)
        >>> b = from_mmdet(to_mmdet(a, gt), gt)
        >>> b.gt_index.equal(a.gt_index), b.quality.equal(a.quality)
        (True, True)
    """
    found = of_owners(packed_rows([each.gt_inds - 1 for each in results], gt), gt)
    extra = {name: [each.get_extra_property(name) for each in results] for name in EXTRA}
    told = {name: torch.stack(each) for name, each in extra.items() if all(isinstance(x, Tensor) for x in each)}
    return replace(found, **told)


def objects(found: Sequence[Any], ignored: Sequence[Any] | None) -> GroundTruth:
    """Objects as mmdet's heads have them: `InstanceData` with bboxes and labels, and those to be ignored, if any."""
    boxes: list[Tensor] = []
    labels: list[Tensor] = []
    flags: list[bool] = []
    ends = [0]
    for i, each in enumerate(found):
        boxes.append(_boxes(each.bboxes))
        labels.append(each.labels.long())
        flags += [False] * len(labels[-1])
        if ignored is not None and ignored[i] is not None and len(ignored[i].bboxes):
            boxes.append(_boxes(ignored[i].bboxes))
            labels.append(labels[-1].new_zeros(len(boxes[-1])))
            flags += [True] * len(labels[-1])
        ends.append(len(flags))
    device = boxes[0].device
    ignore = torch.tensor(flags, dtype=torch.bool, device=device)
    return GroundTruth(torch.cat(boxes), torch.cat(labels), torch.tensor(ends, device=device), ignore)


def _boxes(boxes: Any) -> Tensor:
    """A tensor, also of mmdet's own type of boxes."""
    return getattr(boxes, "tensor", boxes).float().reshape(-1, 4)
