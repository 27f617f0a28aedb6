"""Op of what every answer needs in the end."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.accelerator import lazily
from labelassign.ops.complete import limits, native
from labelassign.ops.complete.reference import complete as _reference
from labelassign.ops.dispatch import Op
from labelassign.ops.objects import OBJECTS

__all__ = ["complete"]


def _fake(index: Tensor, reason: Tensor, *rest: object) -> tuple[Tensor, ...]:
    weight = index.float()
    return index.clone(), weight, weight.clone(), weight.clone(), reason.char().clone()


complete = Op(
    "complete",
    f"(Tensor index, Tensor reason, Tensor? cls_target, Tensor seen, Tensor? valid, {OBJECTS}, float ignore_iof) "
    "-> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    _reference,
    _fake,
    {"triton": (lazily("complete", "complete"), limits.refusal), "native": (native.complete, native.refusal)},
).register()
"""From a method's draft to gt_index, cls_target, cls_weight and loc_weight `[B, N]`, and the final reasons `[G]`.

Background with at least `ignore_iof` (negative: no such rule) of its own area (`seen` [N, 4] or [B, N, 4]) in one
ignored region of its image becomes IGNORE, as does every invalid prior."""
