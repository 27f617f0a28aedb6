"""The record of methods that decide nothing: weights of pairs, through which a loss reaches the network."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from labelassign import checks
from labelassign.structures.record import Record
from labelassign.structures.rows import image_of


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True, repr=False)
class PairWeights(Record):
    """How much each pair of an object and a prior counts, and how much each prior as background.

    Pairs are a list, in the order of objects. Some entries may be no pairs (row -1, weights 0): predictions that are
    not finite, and on accelerators more, since counting them would wait for the device. `probability`, `weight` and
    `place` have gradients.

    Attributes:
        row: row of the `GroundTruth` of each pair `[P]`, -1 for none.
        prior: `[P]`.
        probability: that the prior finds the object `[P]`, in 0..1.
        weight: of the pair among those of its object, of sum 1 or 0 `[P]`.
        place: what the prior's place alone is worth `[P]`, in 0..1; 1 where a method does not ask.
        background: weight of "not this class" `[B, N, C]`, in 0..1; 0 for priors that take no part. No gradient.
        offsets: the `GroundTruth`'s row bounds `[B + 1]`.
        rows: G, padding included.

    Example:
        >>> w = la.FreeAnchor(topk=9)(priors, gt, predictions)
        >>> w
        PairWeights(27 pairs of 3 objects; 2 images, 400 priors, 10 classes)
        >>> w.bag.shape, w.to_dense(w.weight).shape
        (torch.Size([3]), torch.Size([3, 400]))
    """

    row: Int[Tensor, " P"]
    prior: Int[Tensor, " P"]
    probability: Float[Tensor, " P"]
    weight: Float[Tensor, " P"]
    place: Float[Tensor, " P"]
    background: Float[Tensor, "B N C"]
    offsets: Int[Tensor, " B1"]
    rows: int

    @property
    def image(self) -> Int[Tensor, " P"]:
        """The image of each pair `[P]`."""
        return image_of(self.offsets, self.rows)[self.row.clamp(min=0)] if self.rows else self.row

    @property
    def per_gt_count(self) -> Int[Tensor, " G"]:
        """How many pairs each object has `[G]`."""
        return self.per_object(torch.ones_like(self.row))

    @property
    def bag(self) -> Float[Tensor, " G"]:
        """Probability that an object is found: the weighted mean over its pairs `[G]`, 0 without any."""
        return self.per_object(self.weight * self.probability)

    def per_object(self, values: Tensor) -> Tensor:
        """Sum of values `[P]` over the pairs of each object `[G]`."""
        checks.tensor("PairWeights.per_object", "values", values, (self.row.shape[0],), str(values.dtype)[6:])
        return summed(values, self.row, self.rows)

    def to_dense(self, values: Tensor) -> Tensor:
        """Values `[P]` as a matrix `[G, N]`, 0 where there is no pair: for looking at small scenes."""
        n = self.background.shape[1]
        place = torch.where(self.row >= 0, self.row * n + self.prior, self.rows * n)
        return values.new_zeros(self.rows * n + 1).index_add(0, place, values)[:-1].view(self.rows, n)

    def __repr__(self) -> str:
        b, n, c = self.background.shape
        size = f"{b} images, {n} priors, {c} classes"
        if not checks.values_visible(self.row):  # counting would wait for the device
            return f"PairWeights(up to {self.row.shape[0]} pairs, {self.rows} rows; {size}, on {self.row.device})"
        held = self.row[self.row >= 0]
        return f"PairWeights({held.shape[0]} pairs of {held.unique().shape[0]} objects; {size})"


def summed(values: Tensor, row: Tensor, rows: int) -> Tensor:
    """Sum over the pairs of each row `[G]`; a row of -1 is none."""
    return values.new_zeros(rows + 1).index_add(0, torch.where(row >= 0, row, rows), values)[:-1]
