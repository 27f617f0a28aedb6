"""From an assignment to what a loss needs; behind the methods of `Assignment`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from labelassign import checks
from labelassign.geometry import as_rotated, is_rotated, paired_iou
from labelassign.replicas import mean_over_ranks

if TYPE_CHECKING:
    from labelassign.structures.assignment import Assignment
    from labelassign.structures.ground_truth import GroundTruth
    from labelassign.structures.priors import Priors


class Targets(NamedTuple):
    """labels `[B, N]` (or scores `[B, N, C]`), boxes `[B, N, 4 or 5]`, cls_weight and loc_weight `[B, N]`.

    Example:
        >>> a.targets(gt, background=80).labels.shape
        torch.Size([2, 400])
    """

    labels: Tensor
    boxes: Tensor
    cls_weight: Tensor
    loc_weight: Tensor


def take_rows(values: Tensor, index: Tensor, fill: float = 0) -> Tensor:
    """`values[index]`, and `fill` where the index is negative."""
    # a row more is much faster than a mask over what was taken
    table = torch.cat([values, values.new_full((1, *values.shape[1:]), fill)])
    places = torch.where(index >= 0, index, values.shape[0])
    return table.index_select(0, places.flatten()).view(*index.shape, *values.shape[1:])


def count_rows(gt_index: Tensor, rows: int) -> Tensor:
    """How often each row occurs; negative entries count nowhere."""
    flat = gt_index.flatten()
    counts = torch.zeros(rows + 1, dtype=torch.int64, device=flat.device)
    counts = counts.scatter_add(0, torch.where(flat >= 0, flat, rows), torch.ones_like(flat))
    return counts[:rows]


def pairs(rows: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Per image of rows `[B, N]` the places of those that are not negative, and the rows there."""
    image, place = (rows >= 0).nonzero(as_tuple=True)
    counts = torch.bincount(image, minlength=len(rows)).tolist()
    return list(zip(place.split(counts), rows[image, place].split(counts), strict=True))


def make(a: Assignment, gt: GroundTruth, background: int, one_hot: bool, coder: Any, priors: Priors | None) -> Targets:
    """See `Assignment.targets`."""
    who = "Assignment.targets"
    labels = take_rows(gt.labels, a.gt_index, background)
    if one_hot:
        score = a.gt_index.new_zeros(*labels.shape, background + 1, dtype=torch.float32)
        labels = score.scatter(-1, labels[..., None], a.cls_target[..., None])[..., :background]
    boxes = take_rows(gt.boxes, a.gt_index)
    if coder is not None:
        if priors is None:
            checks.fail(who, "`priors` beside `coder`", "none", "Pass the priors of the call.")
        if is_rotated(gt.boxes) and not getattr(coder, "rotated", False):
            fix = "Leave it out and encode the boxes, or give a coder of your own an attribute `rotated = True`."
            checks.fail(who, "a coder of rotated boxes for rotated objects", f"{type(coder).__name__}, upright", fix)
        # background rows encode their own prior, so that no division by an empty box can make a NaN
        own = as_rotated(priors.boxes) if is_rotated(gt.boxes) else priors.boxes
        positive = a.positive[..., None]
        boxes = coder.encode(priors, torch.where(positive, boxes, own))
        boxes = torch.where(positive, boxes, 0.0)
    return Targets(labels, boxes, a.cls_weight, a.loc_weight)


@torch.no_grad()
def overlap(gt_index: Tensor, boxes: Tensor, gt: GroundTruth) -> Tensor:
    """See `Assignment.overlap`."""
    if gt.num_rows and is_rotated(boxes) != is_rotated(gt.boxes):
        kinds = {name: "rotated" if is_rotated(t) else "upright" for name, t in (("boxes", boxes), ("gt", gt.boxes))}
        fix = "Give upright boxes as centre, sides and angle 0."
        checks.fail("Assignment.overlap", "boxes of one kind", kinds, fix)
    iou = paired_iou(boxes, take_rows(gt.boxes, gt_index))
    return torch.where((gt_index >= 0) & torch.isfinite(iou), iou, 0.0)


def normalizer(a: Assignment, kind: str, reduce: bool, overlap: Tensor | None, minimum: float) -> Tensor:
    """See `Assignment.normalizer`."""
    who = "Assignment.normalizer"
    checks.choice(who, "kind", kind, ("num_pos", "score_sum", "iou_sum"))
    if (kind == "iou_sum") != (overlap is not None):
        fix = 'Pass overlap=assignment.overlap(boxes, gt) with "iou_sum", and only there.'
        checks.fail(who, '`overlap` exactly with kind "iou_sum"', f"kind={kind!r}, overlap={overlap is not None}", fix)
    if kind == "num_pos":
        total = a.positive.sum().float()
    else:
        total = (a.cls_target if overlap is None else overlap).sum().float()
    return mean_over_ranks(total, reduce).clamp(min=minimum)
