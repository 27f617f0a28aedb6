"""One assigner at the beginning of training, another one afterwards."""

# pyright: reportPrivateUsage=false
# A wrapper runs the methods that it wraps.

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from labelassign import checks
from labelassign.assigners.base import Assigner
from labelassign.assigners.draft import Draft
from labelassign.structures import GroundTruth, Predictions, Priors


@dataclass(frozen=True)
class Warmup(Assigner):
    """Before step `steps` the `first` assigner, from then on `then`: no other state than the `step` of the call.

    TOOD and PP-YOLOE begin with ATSS, whose labels do not depend on a network that knows nothing yet. Either member may
    be any assigner, a Warmup, `LAD` or `CoLAD` too; around a Warmup these are refused: its members need have no costs.
    Ignored regions are handled by each member's own rule.

    For an int `step` only one member runs, and compiled code is traced once for each phase. A tensor `step` is not
    looked at: both members run, and `torch.where` chooses, so that one CUDA graph serves the whole training.

    Source: Feng et al., 2021, arXiv:2108.07755 (the published code's `initial_epoch` of 4), counted in steps.

    Arguments:
        first: before `steps`.
        then: afterwards.
        steps: the first step that `then` decides.
    Ties, cost: as the members.   Empty image: all background.
    Diagnostics: `warming` (0-d bool) and those of the member that decides; with a tensor `step` always those of both:
    names that only one has are 0 while the other decides; of two of different shape under one name, that of `then`.
    Raises: TypeError for members that are no assigners; ValueError without `step`, or what a member needs.

    Example:
        >>> assigner = la.Warmup(la.ATSS(), la.LAD(la.TaskAligned()), steps=1000)
        >>> sorted(assigner.needs)
        ['step', 'teacher']
        >>> for step in (999, 1000):
        ...     print(assigner(priors, gt, teacher=predictions, step=step).per_gt_count.tolist())
        [4, 3, 2]
        [13, 13, 13]
    """

    first: Assigner
    then: Assigner
    steps: int
    ignore_iof: float | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        """Check the options."""
        for name in ("first", "then"):
            if not isinstance(getattr(self, name), Assigner):
                found, fix = checks.describe(getattr(self, name)), "Pass one, like `Warmup(ATSS(), PAA(), steps=500)`."
                checks.fail("Warmup", f"an Assigner as `{name}`", found, fix, TypeError)
        checks.positive("Warmup", "steps", self.steps)

    @property
    def needs(self) -> frozenset[str]:
        """What a call must bring beside priors and ground truth: in every phase what either needs, and `step`."""
        return self.first.needs | self.then.needs | {"step"}

    @property
    def takes_rotated(self) -> bool:
        """Whether objects may be rotated boxes: if both members take them."""
        return self.first.takes_rotated and self.then.takes_rotated

    def _assign(
        self,
        priors: Priors,
        gt: GroundTruth,
        predictions: Predictions | None,
        teacher: Predictions | None,
        step: int | Tensor | None,
    ) -> Draft:
        assert step is not None
        given = (priors, gt, predictions, teacher, step)
        if not isinstance(step, Tensor):
            warming = bool(step < self.steps)
            draft = (self.first if warming else self.then)._run(*given)
            flag = torch.full((), warming, device=gt.boxes.device)
            return replace(draft, diagnostics={**draft.diagnostics, "warming": flag})
        if step.dim():
            checks.fail("Warmup", "`step` as an int or a tensor without dimensions", checks.describe(step), "Pass one.")
        warming = step.to(gt.boxes.device, non_blocking=True) < self.steps
        return _either(warming, self.first._run(*given), self.then._run(*given))


def _either(warming: Tensor, first: Draft, then: Draft) -> Draft:
    """One of two completed drafts, by a tensor."""
    parts = [torch.where(warming, yes, no) for yes, no in zip(first.answer, then.answer, strict=True)]
    told = {**_merged(warming, first.diagnostics, then.diagnostics), "warming": warming}
    rows = _merged(warming, first.row_diagnostics, then.row_diagnostics)
    return Draft.completed(parts, diagnostics=told, row_diagnostics=rows)


def _merged(warming: Tensor, first: Mapping[str, Tensor], then: Mapping[str, Tensor]) -> dict[str, Tensor]:
    merged = {name: torch.where(warming, value, torch.zeros_like(value)) for name, value in first.items()}
    for name, value in then.items():
        same = name in first and first[name].shape == value.shape and first[name].dtype == value.dtype
        merged[name] = torch.where(warming, first[name] if same else torch.zeros_like(value), value)
    return merged
