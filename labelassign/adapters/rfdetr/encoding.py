"""RF-DETR's encoding: DETR's, of queries in groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from labelassign import checks
from labelassign.adapters.transformers.encoding import Pairs, outputs
from labelassign.structures import Assignment, Predictions, Priors
from labelassign.structures.targets import pairs

# for each image the queries that have an object, and those objects' rows
from labelassign.adapters.transformers.encoding import from_transformers as from_rfdetr  # isort: skip

__all__ = ["Pairs", "from_rfdetr", "grouped", "rows_of", "to_rfdetr"]

Layer = Mapping[str, Tensor]


def to_rfdetr(assignment: Assignment, groups: int = 1) -> Pairs:
    """For each image `(query, row)`, both `[P]` int64, in the order of the queries: what RF-DETR's matcher returns.

    With `groups`, the assignment's images are the groups of the first image, then those of the second, and so on.

    Example:
        >>> from labelassign.adapters.rfdetr import to_rfdetr
        >>> objects = la.GroundTruth.from_list([{"boxes": [[0, 0, 8, 8]], "labels": [1], "image_size": (9, 9)}] * 2)
        >>> said = la.Predictions(objects.boxes[:, None], torch.randn(2, 1, 3))
        >>> found = la.Hungarian.dino()(la.Priors.queries(1), objects, said)
        >>> [(query.tolist(), row.tolist()) for query, row in to_rfdetr(found, groups=2)]
        [([0, 1], [0, 0])]
    """
    return pairs(rows_of(assignment, groups).flatten(1))


def rows_of(assignment: Assignment, groups: int) -> Tensor:
    """Rows counted inside each image, below 0 where there is none `[B, groups, N]`."""
    return (assignment.gt_index - assignment.offsets[:-1, None]).unflatten(0, (-1, groups))


def grouped(who: str, layers: Sequence[Layer], groups: int) -> tuple[Priors, Predictions, list[int]]:
    """What layers of `[B, groups·N, …]` say, as images `[L·B·groups, N, …]`, and how many queries each group has.

    Small pictures have fewer places than the encoder would pick: its groups end with invalid queries then.
    """
    counts = [each["pred_logits"].shape[1] for each in layers]
    if any(count % groups for count in counts):
        fix = "Put the model and its criterion into the same mode, `train()` or `eval()`."
        checks.fail(who, f"queries in {groups} groups of equal size", counts, fix)
    widths = [count // groups for count in counts]
    n = max(widths)

    def folded(part: Tensor) -> Tensor:
        part = part.detach().unflatten(1, (groups, -1)).flatten(0, 1)
        return part if part.shape[1] == n else functional.pad(part, (0, 0, 0, n - part.shape[1]))

    names = {"logits": "pred_logits", "pred_boxes": "pred_boxes"}
    said = outputs(
        [{ours: folded(each[theirs]) for ours, theirs in names.items()} for each in layers], "sigmoid_logits"
    )
    priors = Priors.queries(n, device=said.boxes.device)
    if min(widths) < n:
        exists = torch.arange(n) < torch.tensor(widths)[:, None]
        exists = exists.repeat_interleave(groups * len(layers[0]["pred_logits"]), 0)
        priors = replace(priors, valid=exists.to(said.boxes.device))
    return priors, said, widths
