"""transformers' encoding: for each image the queries that have an object, and those objects' rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import accumulate

import torch
from torch import Tensor

from labelassign.adapters.encoding import corners, of_owners, packed_rows
from labelassign.structures import BACKGROUND, Assignment, GroundTruth, Predictions

Layer = Mapping[str, Tensor]
Pairs = list[tuple[Tensor, Tensor]]


def to_transformers(assignment: Assignment) -> Pairs:
    """For each image `(query, row)`, both `[P]` int64, in the order of the queries: what a matcher of theirs returns.

    Queries that are ignored are in no pair; their losses then take them for "no object".

    Example:
        >>> from labelassign.adapters.transformers import to_transformers
        >>> sizes, boxes, logits = torch.tensor([[128, 160], [128, 160]]), torch.rand(2, 5, 4), torch.randn(2, 5, 11)
        >>> objects = la.GroundTruth.from_list([{**image, "image_size": (128, 160)} for image in gt.to_list()])
        >>> found = la.Hungarian.detr()(la.Priors.queries(5), objects, la.Predictions.from_cxcywh(boxes, logits, sizes))
        >>> [row.sort().values.tolist() for query, row in to_transformers(found)]
        [[0, 1], [0]]
    """
    return assignment.to_pairs()


def from_transformers(pairs: Sequence[tuple[Tensor, Tensor]], gt: GroundTruth, queries: int) -> Assignment:
    """The opposite, of so many queries; quality and class target are 1 on positives.

    Example:
        >>> from labelassign.adapters.transformers import from_transformers
        >>> pairs = [(torch.tensor([1, 4]), torch.tensor([1, 0])), (torch.tensor([2]), torch.tensor([0]))]
        >>> from_transformers(pairs, gt, queries=5).gt_index.tolist()
        [[-1, 1, -1, -1, 0], [-1, -1, 2, -1, -1]]
    """
    device = gt.boxes.device
    local = [torch.full((queries,), BACKGROUND, device=device) for _ in pairs]
    for image, (query, row) in zip(local, pairs, strict=True):
        image[query.to(device)] = row.to(device)
    return of_owners(packed_rows(local, gt), gt)


def objects(targets: Sequence[Mapping[str, Tensor]], layers: int, device: torch.device, groups: int = 1) -> GroundTruth:
    """Objects as transformers' losses have them, in images whose sides are 1.

    Each image `groups` times, one after the other, and all of that once for each decoder layer.
    """
    counts = [len(each["class_labels"]) for each in targets for _ in range(groups)] * layers
    boxes, labels = (
        torch.cat([each[name].repeat(groups, *rest) if groups > 1 else each[name] for each in targets]).to(device)
        for name, rest in (("boxes", (1,)), ("class_labels", ()))
    )
    boxes, labels = corners(boxes.float()).repeat(layers, 1), labels.long().repeat(layers)
    offsets = torch.tensor([0, *accumulate(counts)], device=device)
    return GroundTruth(
        boxes, labels, offsets, torch.zeros_like(labels, dtype=torch.bool), boxes.new_ones(len(counts), 2)
    )


def outputs(layers: Sequence[Layer], scores_are: str) -> Predictions:
    """What the decoder layers say, one after the other as images `[L·B, N]`."""
    with torch.no_grad():
        logits = torch.cat([each["logits"] for each in layers])
        boxes = torch.cat([each["pred_boxes"] for each in layers]).float()
        scores = logits.float().softmax(-1) if scores_are == "probs" else logits
        return Predictions(corners(boxes), scores, scores_are)
