"""Priors for objects that a method has left with too few: the definition."""

from __future__ import annotations

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

from labelassign.ops.blocks import falling, row_blocks, selected
from labelassign.ops.keep.reference import places
from labelassign.ops.objects import usable
from labelassign.ops.rescue.nearest import nearest
from labelassign.structures import Reason, rows
from labelassign.structures.targets import count_rows


def rescue(
    prior_boxes: Tensor,
    valid: Tensor | None,
    strides: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    index: Tensor,
    quality: Tensor,
    cls_target: Tensor,
    cls_weight: Tensor,
    loc_weight: Tensor,
    reason: Tensor,
    scores: Tensor | None,
    boxes: Tensor | None,
    other_scores: Tensor | None,
    other_boxes: Tensor | None,
    least: int,
    listed: int,
    rounds: int,
) -> tuple[Tensor, ...]:
    """See `labelassign.ops.rescue`."""
    total, n = gt_boxes.shape[0], index.shape[1]
    image_of, owned = rows.image_of(offsets, total), count_rows(index, total)
    needy = usable(gt_boxes, gt_labels, offsets, ignore, classes) & (owned < least)
    free = _free(index, quality, valid, least, total) & torch.isfinite(prior_boxes).all(-1)
    prior, overlap = nearest(prior_boxes, strides, free, gt_boxes, needy, image_of, listed)
    open_ = (prior >= 0) & _sound(((scores, boxes), (other_scores, other_boxes)), prior, image_of)
    place = torch.where(open_, image_of[:, None] * n + prior, index.numel())
    won = _served(place, open_, least - owned, index.numel(), rounds)
    place = torch.where(won, place, index.numel()).flatten()
    row = torch.arange(total, device=index.device)[:, None].expand_as(won).flatten()

    def spread(old: Tensor, new: Tensor) -> Tensor:
        """`new` where a prior was taken; no two rows have won the same."""
        return torch.cat([old.flatten(), old.new_zeros(1)]).scatter(0, place, new.to(old.dtype))[:-1].view_as(old)

    ones, given = torch.ones_like(overlap).flatten(), won.sum(1)
    weights = (spread(t, ones) for t in (cls_target, cls_weight, loc_weight))
    reason = torch.where((given > 0) & (owned == 0), Reason.RESCUED, reason).to(reason.dtype)
    return spread(index, row), spread(quality, overlap.flatten()), *weights, reason, given


def _free(index: Tensor, quality: Tensor, valid: Tensor | None, least: int, total: int) -> Tensor:
    """Priors `[B, N]` that may be taken: not the best `least` of anybody, so that nobody becomes needy by this."""
    key = falling(quality.float().nan_to_num(0.0).clamp(0, 1))
    free = (index < 0) | (places(index, key, total) >= least)
    return free if valid is None else free & valid


def _served(place: Tensor, able: Tensor, lacks: Tensor, size: int, rounds: int) -> Tensor:
    """Which entries of their lists the rows get `[G, K]`; lower rows first, every row at most what it `lacks`.

    In each round every row asks for its first choices that no lower row holds, and a prior goes to the lowest row that
    has asked. That ends where serving the rows one by one does, in as many rounds as the longest chain of rows each of
    which takes a choice of the next. After `rounds` a row that has just been refused stays without.
    """
    row = torch.arange(place.shape[0], device=place.device)[:, None]
    holder = torch.full((size + 1,), place.shape[0], dtype=torch.int64, device=place.device)
    early = place.device.type == "cpu" and not isinstance(place, FakeTensor)  # asking costs nothing there
    for _ in range(rounds):
        open_ = able & (holder[place] >= row)
        asks = open_ & (open_.cumsum(1) <= lacks[:, None])
        asked = torch.where(asks, row, place.shape[0])
        after = holder.scatter_reduce(0, torch.where(asks, place, size).flatten(), asked.flatten(), "amin")
        if early and torch.equal(after, holder):
            break
        holder = after
    return able & (holder[place] == row)


def _sound(given: tuple[tuple[Tensor | None, Tensor | None], ...], prior: Tensor, image_of: Tensor) -> Tensor:
    """Listed priors `[G, K]` for which a network, of those given (scores, boxes), predicts finite numbers."""
    networks = [(s, b) for s, b in given if s is not None and b is not None]
    if not networks or not networks[0][0].shape[1]:
        return torch.ones_like(prior, dtype=torch.bool)
    fine = torch.zeros_like(prior, dtype=torch.bool)
    listed = selected((prior >= 0).any(1))
    for part in row_blocks(listed.shape[0], prior.shape[1] * networks[0][0].shape[2]):
        row = listed[part]
        at = (image_of[row, None], prior[row].clamp(min=0))
        finite = [torch.isfinite(s[at]).all(-1) & torch.isfinite(b[at]).all(-1) for s, b in networks]
        fine[row] = torch.stack(finite).any(0)
    return fine
