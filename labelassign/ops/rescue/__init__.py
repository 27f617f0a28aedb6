"""Op that gives needy objects priors of others."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.dispatch import Op
from labelassign.ops.objects import OBJECTS
from labelassign.ops.rescue import native
from labelassign.ops.rescue.reference import rescue as _reference

__all__ = ["rescue"]


def _fake(prior_boxes: Tensor, valid: Tensor | None, strides: Tensor | None, *rest: Tensor) -> tuple[Tensor, ...]:
    index, quality, *weights, reason = rest[5:11]
    return (*(t.clone() for t in (index, quality, *weights, reason)), rest[1].clone())


rescue = Op(
    "rescue",
    f"(Tensor prior_boxes, Tensor? valid, Tensor? strides, {OBJECTS}, Tensor index, Tensor quality, Tensor cls_target, "
    "Tensor cls_weight, Tensor loc_weight, Tensor reason, Tensor? scores, Tensor? boxes, Tensor? other_scores, "
    "Tensor? other_boxes, SymInt least, SymInt listed, SymInt rounds) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)",
    _reference,
    _fake,
    {"native": (native.rescue, native.refusal)},
).register()
"""An answer (index, quality, cls_target, cls_weight, loc_weight `[B, N]`, reason `[G]`) after the rescue of objects
with fewer than `least` priors, and how many priors each row was given `[G]`.

Each needy object lists its `listed` nearest priors that may be taken: highest overlap of the prior's box, then nearest
centre in strides, then lower prior. Lower rows choose first; `rounds` of asking and being refused settle who gets what.
Priors with a prediction of `scores` or `boxes` that is not finite are passed over (with `other_*`: if both are not)."""
