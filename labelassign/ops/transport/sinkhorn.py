"""Entropic optimal transport over lists of pairs, all images at once: the definition.

In the log domain and in units of eps. Memory follows the pairs that are listed: a pair that is not has the share 0.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Columns(NamedTuple):
    """The priors that rows list, numbered through.

    of: the column of each pair `[G, K]`, P for none; first: whether a pair is its column's first `[G, K]`; image: of
    each column `[P + 1]`; total: how many an image has `[B]`.
    """

    of: Tensor
    first: Tensor
    image: Tensor
    total: Tensor


def columns(prior: Tensor, image_of: Tensor, images: int, n: int) -> Columns:
    """Number the priors of lists `[G, K]` (-1: none)."""
    held, pairs, device = prior >= 0, prior.numel(), prior.device
    place = torch.where(held, image_of[:, None] * n + prior, images * n).flatten()
    number = torch.arange(pairs, device=device)
    least = torch.full((images * n + 1,), pairs, dtype=torch.int64, device=device)
    least.scatter_reduce_(0, place, torch.where(held.flatten(), number, pairs), "amin")
    first = (least[place] == number).view_as(prior)
    order = torch.cat([first.flatten().long().cumsum(0) - 1, number.new_full((1,), pairs)])
    of = order[least[place]]
    image = image_of[:, None].expand_as(prior)
    image_by = image_of.new_zeros(pairs + 1).scatter_(0, of, image.flatten())
    count = image_of.new_zeros(images).index_add_(0, image_of, first.sum(1))
    return Columns(of.view_as(prior), first, image_by, count)


def sinkhorn(cost: Tensor, where: Columns, image_of: Tensor, supply: Tensor, iterations: int) -> tuple[Tensor, Tensor]:
    """Shares `[G, K]` of the columns that rows list, and the share of the background there; they sum up to 1.

    cost: `[G, K]` float64, of a unit more than from the background, +inf where none is; supply: `[G]`. The background
    has what the rows leave of an image's columns. Rows first, columns last.
    """
    left = where.total.double().index_add(0, image_of, supply, alpha=-1).clamp(min=0)
    wanted, spare, value = supply.log(), left.log(), torch.zeros_like(cost)
    column, pairs, images = where.of.flatten(), cost.numel(), left.shape[0]
    price = torch.zeros(pairs + 1, dtype=cost.dtype, device=cost.device)
    rows, rest, none = supply, left, torch.full_like(spare, -torch.inf)
    for _ in range(iterations):
        value = price[where.of]
        rows = _balance(wanted, (value - cost).logsumexp(1))
        each = torch.where(where.first, value, -torch.inf).logsumexp(1)
        rest = _balance(spare, _grouped(each, image_of, images, none))
        offers = (rows[:, None] - cost).flatten()
        price = -_grouped(offers, column, pairs + 1, rest[where.image])
        price = torch.where(torch.isfinite(price), price, 0.0)
    value = price[where.of]
    return (rows[:, None] - cost + value).exp(), (rest[where.image][where.of] + value).exp()


def _balance(wanted: Tensor, offered: Tensor) -> Tensor:
    """The potential of rows that then give what they have; -inf of one that has nothing, or nobody to give it to."""
    return torch.where(torch.isfinite(wanted) & torch.isfinite(offered), wanted - offered, -torch.inf)


def _grouped(x: Tensor, group: Tensor, groups: int, more: Tensor) -> Tensor:
    """Logarithm of the sum of exponentials in each group, and of one `more` entry `[groups]`."""
    top = more.scatter_reduce(0, group, x, "amax")
    top = torch.where(torch.isfinite(top), top, 0.0)
    total = (more - top).exp().index_add(0, group, (x - top[group]).exp())
    return total.log() + top
