"""What a method hands to the base."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

from torch import Tensor


@dataclass(frozen=True)
class Draft:
    """A method's own answer, before the base has done what is common to all.

    Attributes:
        gt_index: `[B, N]`, as in `Assignment`.
        quality: `[B, N]`, in 0..1.
        reason: `[G]`, why a row would own nothing; RESCUED marks rows that only a rescue served.
        cls_target: soft scores of positives `[B, N]`; None means 1.
        diagnostics: named tensors.
        row_diagnostics: named tensors with one entry per ground truth, `[G, ...]`.
        weights: cls_weight and loc_weight `[B, N]` of a draft that an op has completed already; None: the base does it.

    Example:
        >>> nothing = torch.full((2, 400), la.BACKGROUND)
        >>> la.Draft(nothing, torch.zeros(2, 400), torch.full((3,), la.Reason.REJECTED)).cls_target is None
        True
    """

    gt_index: Tensor
    quality: Tensor
    reason: Tensor
    cls_target: Tensor | None = None
    # not `dict[str, Tensor]`: torch.compile cannot call that alias
    diagnostics: Mapping[str, Tensor] = field(default_factory=lambda: {})
    row_diagnostics: Mapping[str, Tensor] = field(default_factory=lambda: {})
    weights: tuple[Tensor, Tensor] | None = None

    @classmethod
    def completed(cls, answer: Sequence[Tensor], **diagnostics: Mapping[str, Tensor]) -> Self:
        """From what an op of a whole method gives: index, quality, target, both weights, reason."""
        index, quality, target, cls_weight, loc_weight, reason = answer
        return cls(index, quality, reason, target, **diagnostics, weights=(cls_weight, loc_weight))

    @property
    def answer(self) -> tuple[Tensor, ...]:
        """What `completed` was made from."""
        assert self.weights is not None
        assert self.cls_target is not None
        return self.gt_index, self.quality, self.cls_target, *self.weights, self.reason
