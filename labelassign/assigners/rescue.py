"""Priors for objects that another assigner has left without."""

# pyright: reportPrivateUsage=false
# A wrapper runs the method that it wraps.

from __future__ import annotations

from dataclasses import dataclass, field, replace

from torch import Tensor

from labelassign import checks
from labelassign.assigners.base import Assigner
from labelassign.assigners.draft import Draft
from labelassign.ops.objects import objects
from labelassign.ops.rescue import rescue
from labelassign.structures import GroundTruth, Predictions, Priors

ROUNDS = 64


@dataclass(frozen=True)
class Rescue(Assigner):
    """Any assigner, and then at least `min_positives` priors for every object, as far as there are priors.

    A needy object takes the priors of highest overlap of their box with it, then those of nearest centre (in strides
    where they are known), then lower ones. It may take background and IGNORE, and positives of other objects, but not
    what those need: the best `min_positives` priors of every object, by quality, stay its own, so that nobody becomes
    needy. It never takes invalid priors, nor those whose prediction, if the method needs any, is not finite. Where
    needy objects wish for one prior the lower row has it, as if they were served one by one in that order.

    A rescued prior has weights and class target 1, and its overlap as quality (0 for points; between rotated boxes the
    exact one, whatever the method ranks by). An object that owns nothing else has the reason RESCUED; one that still
    has nothing keeps its reason. Distance has no limit: an object far outside the image takes a prior, too.

    Each needy object chooses among its first `candidates` free priors; where more objects than that want the same
    neighbourhood, some still go without. 64 rounds of asking stand for the queue: in a chain of more than 64 objects,
    each of which takes a choice of the next, one object per chain may go without.

    Source: the idea is MaxIoU's `low_quality` (Ren et al., 2015, arXiv:1506.01497, section 3.1.2) for every method.

    Arguments:
        assigner: any assigner over anchors or points; `LAD` and `CoLAD` inside, never around it.
        min_positives: priors that every object shall have.
        candidates: how many priors an object chooses among.
    Ties: lower prior, then lower ground-truth row.   Empty image: all background.
    Cost: one pass over [needy objects, N] in blocks.
    Diagnostics: those of the method, and `rescued` `[G]`: how many priors a row was given.
    Raises: TypeError for something that is no assigner; ValueError for queries, which have no place in the image, and
    for rotated boxes if the method takes none.

    Example:
        >>> tiny = la.GroundTruth.from_list([{"boxes": [[30, 30, 33, 33], [31, 31, 34, 34]], "labels": [0, 0]}])
        >>> la.ATSS()(priors, tiny).reasons, la.Rescue(la.ATSS())(priors, tiny).reasons
        (['REJECTED', 'REJECTED'], ['RESCUED', 'RESCUED'])
    """

    assigner: Assigner
    min_positives: int = 1
    candidates: int = 33
    ignore_iof: float | None = field(init=False)

    def __post_init__(self) -> None:
        """Check the options; ignore regions are the wrapped assigner's rule."""
        if not isinstance(self.assigner, Assigner):  # pyright: ignore[reportUnnecessaryIsInstance]
            fix = "Pass one, like `Rescue(ATSS())`."
            checks.fail("Rescue", "an Assigner to wrap", checks.describe(self.assigner), fix, TypeError)
        checks.positive("Rescue", "min_positives", self.min_positives)
        if self.candidates < self.min_positives:
            fix = "An object takes its priors from among its candidates."
            checks.fail("Rescue", f"`candidates` >= `min_positives` ({self.min_positives})", self.candidates, fix)
        object.__setattr__(self, "ignore_iof", self.assigner.ignore_iof)

    @property
    def needs(self) -> frozenset[str]:
        """What a call must bring beside priors and ground truth: as the wrapped assigner."""
        return self.assigner.needs

    @property
    def takes_rotated(self) -> bool:
        """Whether boxes may be rotated ones: as the wrapped assigner."""
        return self.assigner.takes_rotated

    def _assign(
        self,
        priors: Priors,
        gt: GroundTruth,
        predictions: Predictions | None,
        teacher: Predictions | None,
        step: int | Tensor | None,
    ) -> Draft:
        if priors.kind == "queries":
            fix = "Hungarian gives every object a query as long as there are any."
            checks.fail("Rescue", "priors with a place in the image", "queries", fix)
        draft = self.assigner._run(priors, gt, predictions, teacher, step)
        given = {"predictions": predictions, "teacher": teacher}
        needed = [given[name] for name in ("predictions", "teacher") if name in self.needs]
        seen = [t for p in (*needed, None, None)[:2] for t in ((p.scores, p.boxes) if p else (None, None))]
        where = (priors.boxes, priors.valid, priors.strides, *objects(gt, predictions or teacher))
        *answer, rescued = rescue(*where, *draft.answer, *seen, self.min_positives, self.candidates, ROUNDS)
        done = Draft.completed(answer)
        rows = {**draft.row_diagnostics, "rescued": rescued}
        return replace(done, diagnostics=draft.diagnostics, row_diagnostics=rows)
