"""Uniform matching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from torch import Tensor

from labelassign import checks
from labelassign.assigners.base import Assigner
from labelassign.assigners.draft import Draft
from labelassign.ops.objects import objects
from labelassign.ops.uniform import uniform
from labelassign.structures import GroundTruth, Predictions, Priors


@dataclass(frozen=True)
class Uniform(Assigner):
    """Uniform matching (YOLOF): every object takes the same number of priors, whatever its size.

    Each object takes the `match_times` anchors closest to it and the `match_times` anchors whose predicted boxes are
    closest to it, by |dx| + |dy| + |dw| + |dh| of centre and size, over all levels at once. One that overlaps the
    object by less than `pos_ignore` is left out of the loss instead. So is background whose predicted box overlaps any
    object by more than `neg_ignore`. `quality` of a positive is the overlap of its anchor with its object.

    Equals: mmdet 3.3.0 UniformAssigner, through `mmdet()` (tests/parity).   Differs: a prior that several objects keep
    goes to the closest one, and is left out only if no object keeps it. In every form, a prior that serves one object
    twice (as anchor and by its prediction) is one positive, and one that two objects take has one owner; beside its
    labels mmdet also lists all 2 · `match_times` pairs of each object, and its head's box loss runs over that list.
    Anchors with predictions that are not finite are passed over.

    Source: Chen et al., 2021, arXiv:2103.09460, section 4.2. The paper takes the closest anchors only; the authors'
    code, like mmdet and this class, takes the anchors of the closest predictions, too.

    Arguments:
        match_times: anchors by place, and as many by prediction, for every object. Paper: k.
        pos_ignore: least overlap (IoU) of a positive's anchor with its object. Points overlap nothing: 0 for them.
        neg_ignore: highest overlap of a background's prediction with any object.
        last_write_wins: of several objects that take one prior, the one of higher rank (the less close one) wins, then
            the one that takes it as an anchor, then the later row; even if that one leaves it out (mmdet).
        ignore_iof: see `Assigner`.
    Ties: closest: lower prior index; conflicts: lower distance, then lower ground-truth row.
    Empty image: all background. `match_times` beyond the number of priors: all of them.
    Cost: three passes over [G, N] in blocks, memory O(B·N).
    Raises: ValueError if match_times < 1, for thresholds outside 0..1, for queries.

    Example:
        >>> la.Uniform()(priors, gt, predictions).per_gt_count.tolist()
        [4, 4, 4]
    """

    match_times: int = 4
    pos_ignore: float = 0.15
    neg_ignore: float = 0.7
    last_write_wins: bool = False
    ignore_iof: float | None = 0.5

    def __post_init__(self) -> None:
        """Check the options."""
        checks.positive("Uniform", "match_times", self.match_times)
        for name in ("pos_ignore", "neg_ignore"):
            checks.positive("Uniform", name, getattr(self, name), zero=True)
            if getattr(self, name) > 1:
                checks.fail("Uniform", f"`{name}` <= 1", getattr(self, name), "It is an overlap; choose 0..1.")

    @classmethod
    def mmdet(cls, match_times: int = 4, pos_ignore: float = 0.15, neg_ignore: float = 0.7) -> Self:
        """As mmdet 3.3.0 UniformAssigner: what is written last stays, so of two objects the less close one wins.

        It writes twice into one place, which has a defined order on the CPU only; ours is that order everywhere.
        """
        return cls(match_times, pos_ignore, neg_ignore, last_write_wins=True, ignore_iof=None)

    @property
    def needs(self) -> frozenset[str]:
        """Predictions: their boxes choose, too."""
        return frozenset({"predictions"})

    def _assign(
        self,
        priors: Priors,
        gt: GroundTruth,
        predictions: Predictions | None,
        teacher: Predictions | None,
        step: int | Tensor | None,
    ) -> Draft:
        assert predictions is not None
        if priors.kind == "queries":
            checks.fail("Uniform", "anchor boxes", "queries", "It measures how close anchors are; queries have none.")
        where = (priors.boxes, priors.valid, *objects(gt, predictions), predictions.scores, predictions.boxes)
        rules = (float(self.pos_ignore), float(self.neg_ignore), self.last_write_wins, self._ignored_share)
        *answer, non_finite = uniform(*where, self.match_times, *rules)
        return Draft.completed(answer, diagnostics={"non_finite": non_finite})
