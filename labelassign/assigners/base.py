"""The one interface of all assigners, and what every method would otherwise have to do for itself."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import final

import torch
from torch import Tensor

from labelassign.assigners import inputs
from labelassign.assigners.draft import Draft
from labelassign.ops.complete import complete
from labelassign.ops.objects import objects
from labelassign.structures import Assignment, GroundTruth, Predictions, Priors


class Assigner(ABC):
    """Decides which ground truth every prior learns.

    Subclasses are frozen dataclasses with one method, `_assign`; calling is final and does once, for all of them:
    checks, no_grad, autocast off, images without objects, invalid priors and rows, ignore regions, reason codes.

    Attributes:
        ignore_iof: background with at least this share of its own area in an ignored region becomes IGNORE; None
            leaves it background.
        needs: which of "predictions", "teacher" and "step" a call must bring.
        takes_rotated: whether boxes may be rotated ones.

    Example:
        >>> class Nearest(la.Assigner):
        ...     ignore_iof = None
        ...     def _assign(self, priors, gt, predictions, teacher, step):
        ...         return la.ATSS(topk=1)._assign(priors, gt, predictions, teacher, step)
        >>> Nearest()(priors, gt).gt_index.shape
        torch.Size([2, 400])
    """

    ignore_iof: float | None

    @property
    def needs(self) -> frozenset[str]:
        """What a call must bring beside priors and ground truth."""
        return frozenset()

    @property
    def takes_rotated(self) -> bool:
        """Whether objects, and what is predicted, may be rotated boxes (`[G, 5]`)."""
        return False

    @final
    def __call__(
        self,
        priors: Priors,
        gt: GroundTruth,
        predictions: Predictions | None = None,
        *,
        teacher: Predictions | None = None,
        step: int | Tensor | None = None,
    ) -> Assignment:
        """Assign the priors of a batch.

        Arguments:
            priors: shared by the batch or per image.
            gt: packed ground truth of B images.
            predictions: of the network that is being trained, where the method needs them.
            teacher: of the deciding (LAD) or the other (CoLAD) network, over the same priors.
            step: training step, for methods that change over training.

        Raises:
            ValueError, TypeError: input that does not fit, naming what was expected, what came and what to do.
        """
        inputs.check(type(self).__name__, self.needs, priors, gt, predictions, teacher, step)
        inputs.check_kinds(type(self).__name__, self.takes_rotated, priors, gt, predictions, teacher)
        with torch.no_grad(), torch.autocast(gt.boxes.device.type, enabled=False):
            rows = gt.num_rows
            # a batch without any object runs like any other, on one row of padding
            padded = gt if rows else gt.pad_to(1)
            return _assignment(self._run(priors, padded, predictions, teacher, step), gt, rows)

    @abstractmethod
    def _assign(
        self,
        priors: Priors,
        gt: GroundTruth,
        predictions: Predictions | None,
        teacher: Predictions | None,
        step: int | Tensor | None,
    ) -> Draft:
        """The method itself. `gt` has a row at least; rows may be padding, ignored or not `well_formed`."""

    @property
    def _ignored_share(self) -> float:
        """`ignore_iof` as the ops take it: negative is no such rule."""
        return -1.0 if self.ignore_iof is None else float(self.ignore_iof)

    @final
    def _run(
        self,
        priors: Priors,
        gt: GroundTruth,
        predictions: Predictions | None,
        teacher: Predictions | None,
        step: int | Tensor | None,
    ) -> Draft:
        """What `_assign` gives, completed: for calls, and for assigners around this one."""
        draft = self._assign(priors, gt, predictions, teacher, step)
        return draft if draft.weights is not None else self._complete(draft, priors, gt, predictions or teacher)

    @final
    def _complete(self, draft: Draft, priors: Priors, gt: GroundTruth, predictions: Predictions | None) -> Draft:
        """Ignored regions, invalid priors, weights and the final reasons."""
        # queries have no place of their own: what they predict stands for it
        seen = predictions.boxes if priors.kind == "queries" and predictions is not None else priors.boxes
        given = (draft.gt_index, draft.reason, draft.cls_target, seen, priors.valid)
        index, *rest = complete(*given, *objects(gt, predictions), self._ignored_share)
        done = Draft.completed((index, draft.quality, *rest))
        return replace(done, diagnostics=draft.diagnostics, row_diagnostics=draft.row_diagnostics)


def _assignment(draft: Draft, gt: GroundTruth, rows: int) -> Assignment:
    *answer, reason = draft.answer
    return Assignment(
        *answer,
        reason=_own(reason, rows),
        offsets=gt.offsets.clone(),
        diagnostics={**draft.diagnostics, **{k: _own(v, rows) for k, v in draft.row_diagnostics.items()}},
    )


def _own(values: Tensor, rows: int) -> Tensor:
    """Without the row that a batch without any was given."""
    return values if values.shape[0] == rows else values.new_empty(rows, *values.shape[1:])
