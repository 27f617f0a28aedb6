"""What several adapters translate alike."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor

from labelassign import checks
from labelassign.geometry import paired_iou
from labelassign.structures import IGNORE, Assignment, GroundTruth, Reason
from labelassign.structures.targets import count_rows


def packed(
    who: str, boxes: Sequence[Tensor], labels: Sequence[Tensor], ignore: Sequence[Tensor] | None = None
) -> GroundTruth:
    """Objects as records of outside libraries have them, image by image: boxes `[n, 4]`, labels and `ignore` `[n]`.

    Their values are looked at once, by the assigner; `GroundTruth.from_list` would do it before, which takes as long as
    some assigners.
    """
    counts = [len(each) for each in labels]
    for i, (box, count) in enumerate(zip(boxes, counts, strict=True)):
        if len(box) != count:
            found = {"boxes": len(box), "labels": count}
            checks.equal(f"{who}, image {i}", "number of objects", found, "Give one row per object.")
    box, label = torch.cat(list(boxes)).float().reshape(-1, 4), torch.cat(list(labels)).long()
    flags = torch.zeros_like(label, dtype=torch.bool) if ignore is None else torch.cat(list(ignore)).bool()
    return GroundTruth(box, label, torch.tensor([0, *accumulate(counts)], device=box.device), flags)


def local_rows(assignment: Assignment) -> Tensor:
    """`gt_index` with rows counted inside each image `[B, N]`; the codes below 0 stay."""
    index = assignment.gt_index
    return torch.where(index >= 0, index - assignment.offsets[:-1, None], index)


def packed_rows(local: Sequence[Tensor], gt: GroundTruth) -> Tensor:
    """The opposite: `gt_index` `[B, N]` from each image's own rows `[N]`."""
    index = torch.stack([row.long() for row in local])
    return torch.where(index >= 0, index + gt.offsets[:-1, None], index)


def owned(assignment: Assignment) -> tuple[Tensor, Tensor]:
    """Where positives are among all priors of the batch, and their rows, both `[P]` (waits for the device)."""
    index = assignment.gt_index.flatten()
    places = (index >= 0).nonzero()[:, 0]
    return places, index[places]


@torch.no_grad()
def overlap_at(places: Tensor, rows: Tensor, boxes: Tensor, gt: GroundTruth) -> Tensor:
    """`Assignment.overlap` of `boxes` `[B, N, 4]`, of the positives alone `[P]`."""
    overlap = paired_iou(boxes.flatten(0, 1)[places], gt.boxes[rows])
    return torch.where(overlap.isfinite(), overlap, 0.0)


def decoded(coder: Any, deltas: Tensor, anchors: Tensor) -> Tensor:
    """Boxes `[B, N, 4]` of deltas `[B, N, 4]`, by a coder of torchvision's kind."""
    flat = deltas.float().flatten(0, 1)
    return coder.decode_single(flat, anchors.repeat(len(deltas), 1)).view_as(deltas)


def corners(boxes: Tensor) -> Tensor:
    """Boxes `[..., 4]` as corners, from their centres and sides."""
    centre, half = boxes[..., :2], boxes[..., 2:] / 2
    return torch.cat([centre - half, centre + half], -1)


def centerness(priors: Tensor, boxes: Tensor) -> Tensor:
    """Of the priors' centres in boxes `[P]`, 0 outside (Tian et al., 2019, arXiv:1904.01355, equation 3)."""
    point = (priors[:, :2] + priors[:, 2:]) / 2
    low, high = point - boxes[:, :2], boxes[:, 2:] - point
    share = torch.minimum(low, high).clamp(min=0) / torch.maximum(low, high)
    return share.prod(1).sqrt()


def of_owners(index: Tensor, gt: GroundTruth) -> Assignment:
    """An `Assignment` from owners `[B, N]` alone: quality and class target are 1 on positives."""
    positive = (index >= 0).float()
    owned = count_rows(index, gt.num_rows) > 0
    reason = torch.where(owned, int(Reason.FINE), int(Reason.NO_CANDIDATE)).to(torch.int8)
    counts = (index != IGNORE).float()
    return Assignment(index, positive, positive.clone(), counts, positive.clone(), reason, gt.offsets.clone(), {})
