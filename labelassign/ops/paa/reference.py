"""The stages of probabilistic anchor assignment, one after another: the definition."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from labelassign.ops.candidates.reference import candidates
from labelassign.ops.complete.reference import complete
from labelassign.ops.mixture.settle import settle
from labelassign.ops.resolve.reference import resolve


def paa(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    scores: Tensor,
    boxes: Tensor,
    level_sizes: list[int],
    topk: int,
    *options: Any,
) -> tuple[Tensor, ...]:
    """See `labelassign.ops.paa`."""
    chosen_by, settled_by, ignore_iof = options[:10], options[10:-1], options[-1]
    objects = (gt_boxes, gt_labels, offsets, ignore, classes)
    where = (prior_boxes, valid, *objects, scores, boxes, level_sizes)
    # neither largest overlaps nor moments: only others ask for them
    prior, cost, *_, reason, refused = candidates(*where, topk, 0, False, *chosen_by)
    state, steps, converged = settle(cost.flatten(1), *settled_by)
    given = (prior.flatten(1), state, cost.flatten(1), reason, offsets, prior_boxes.shape[-2])
    index, quality, reason = resolve(*given)
    index, *weights, reason = complete(index, reason, None, prior_boxes, valid, *objects, ignore_iof)
    return index, quality, *weights, reason, refused, steps, converged
