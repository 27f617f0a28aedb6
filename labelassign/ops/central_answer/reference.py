"""The stages of a method whose candidates are known by their centres, one after another: the definition."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops.central import central, central_pairs, contest
from labelassign.ops.central.decide import among_the_cheapest, lies_inside, share_of_best
from labelassign.ops.central.scene import Region, Where
from labelassign.ops.complete import complete


def central_answer(*args: Any) -> tuple[Tensor, ...]:
    """See `labelassign.ops.central_answer`. Each stage takes the path that it would take alone."""
    given, (topk, decide, by, against, shares, eps, ignore_iof) = args[:21], args[21:]
    where, region = Where(*given[:8]), Region(*given[8:14])
    overlaps = topk if decide == "dynamic" else 0
    prior, cost, iou, best, _, _, _, reason, refused = central(*given, topk, overlaps, False)
    kept = prior >= 0
    if decide == "dynamic":
        kept &= among_the_cheapest(best, topk)
    elif decide == "inside":
        kept &= lies_inside(region, where.prior_boxes, where.gt_boxes, where.image_of, prior)
    arena = region._replace(pool="every") if against == "every" else region
    lists = (*(t.flatten(1) for t in (prior, cost, iou, kept)), reason)
    pool = "claimants" if against == "claimants" else "all"
    index, paid, reason = contest(*where, *arena, *given[14:], None, None, None, None, *lists, by, pool)
    number = torch.arange(index.shape[1], device=index.device).expand_as(index).flatten()
    cost, iou = (t.view_as(index) for t in central_pairs(index.clamp(min=-1).flatten(), number, *given))
    soft = share_of_best(cost, iou, index, where.gt_boxes.shape[0], eps) if shares else iou
    objects = (where.gt_boxes, where.gt_labels, where.offsets, where.ignore, where.classes)
    quality = torch.exp(-paid.double()).float()
    index, *weights, reason = complete(index, reason, soft, where.prior_boxes, where.valid, *objects, ignore_iof)
    return index, quality, *weights, reason, refused
