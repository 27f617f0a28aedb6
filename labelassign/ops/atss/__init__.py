"""Op of adaptive training sample selection."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.atss import native
from labelassign.ops.atss.reference import atss as _reference
from labelassign.ops.dispatch import Op
from labelassign.ops.objects import OBJECTS

__all__ = ["atss"]


def _fake(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    *rules: object,
) -> tuple[Tensor, Tensor, Tensor]:
    index = offsets.new_empty(offsets.shape[0] - 1, prior_boxes.shape[-2])
    return index, index.float(), ignore.char()


atss = Op(
    "atss",
    f"(Tensor prior_boxes, Tensor? valid, {OBJECTS}, SymInt[] level_sizes, SymInt topk, bool keep_single, float margin)"
    " -> (Tensor, Tensor, Tensor)",
    _reference,
    _fake,
    {"native": (native.atss, native.refusal)},
).register()
"""The whole of `ATSS`: object of every prior and its overlap `[B, N]`, and the reason of each row `[G]`."""
