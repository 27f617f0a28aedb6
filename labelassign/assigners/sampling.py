"""Random sampling of an assignment for losses that want a fixed number of priors."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign import checks
from labelassign.structures import IGNORE, Assignment, Reason
from labelassign.structures.targets import count_rows


def sample_balanced(
    assignment: Assignment,
    num: int,
    positive_fraction: float = 0.5,
    generator: torch.Generator | None = None,
) -> Assignment:
    """Keep at most `num` priors per image, at most `positive_fraction` of them positive; the rest becomes IGNORE.

    Positives that are missing are made up with background, as in torchvision's BalancedPositiveNegativeSampler. An
    object that loses all its priors here has the reason NOT_SAMPLED.

    Source: Girshick, 2015, arXiv:1504.08083, section 2.3; region proposals: 256 at 1/2, box heads: 512 at 1/4.

    Arguments:
        assignment: any assignment.
        num: priors per image.
        positive_fraction: of `num`, rounded down.
        generator: on the assignment's device; None uses the global one.
    Ties: none, the order is random.   Empty image: `num` background priors.
    Raises: ValueError for a fraction outside 0..1 or num < 1.

    Example:
        >>> a = la.sample_balanced(la.MaxIoU.rpn()(priors, gt), num=16, positive_fraction=0.5)
        >>> (a.positive | a.background).sum(1).tolist()
        [16, 16]
    """
    who = "sample_balanced"
    checks.positive(who, "num", num)
    if not 0 <= positive_fraction <= 1:
        checks.fail(who, "0 <= positive_fraction <= 1", positive_fraction, "Give the share of positives.")
    index = assignment.gt_index
    with torch.no_grad():
        draw = torch.rand(index.shape, generator=generator, device=index.device)
        positive = _lowest(draw, assignment.positive, int(num * positive_fraction))
        rest = num - positive.sum(1, keepdim=True)
        background = _lowest(draw, assignment.background, rest)
        kept = torch.where(positive | background, index, IGNORE)
        owned = count_rows(kept, assignment.reason.shape[0]) > 0
        lost = (assignment.per_gt_count > 0) & ~owned
        reason = torch.where(lost, Reason.NOT_SAMPLED, assignment.reason).to(torch.int8)
    return assignment.with_gt_index(kept, reason)


def _lowest(draw: Tensor, among: Tensor, number: int | Tensor) -> Tensor:
    """The `number` places of lowest `draw` in each row `among` which there is a choice."""
    order = torch.where(among, draw, 2.0).argsort(dim=1, stable=True)
    place = torch.arange(draw.shape[1], device=draw.device).expand_as(order)
    rank = torch.zeros_like(order).scatter(1, order, place)
    return among & (rank < number)
