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
    where = (prior_boxes, valid, gt_boxes, gt_labels, offsets, ignore, classes)
    # neither largest overlaps nor moments: only others ask for them
    prior, cost, *_, reason, refused = candidates(*where, scores, boxes, level_sizes, topk, 0, False, *chosen_by)
    *answer, steps, converged = finish(prior, cost, reason, where, settled_by, ignore_iof)
    return *answer, refused, steps, converged


def finish(
    prior: Tensor, cost: Tensor, reason: Tensor, where: tuple[Any, ...], settled_by: tuple[Any, ...], ignore_iof: float
) -> tuple[Tensor, ...]:
    """The answer from lists `[G, L, K]`, and of each row's mixture steps and converged; `where`: priors, objects."""
    prior_boxes, valid, *objects = where
    state, steps, converged = settle(cost.flatten(1), *settled_by)
    given = (prior.flatten(1), state, cost.flatten(1), reason, objects[2], prior_boxes.shape[-2])
    index, quality, reason = resolve(*given)
    index, *weights, reason = complete(index, reason, None, prior_boxes, valid, *objects, ignore_iof=ignore_iof)
    return index, quality, *weights, reason, steps, converged
