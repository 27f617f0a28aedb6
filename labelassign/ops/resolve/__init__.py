"""Op of conflict resolution."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.accelerator import lazily
from labelassign.ops.dispatch import Op
from labelassign.ops.resolve import limits, native
from labelassign.ops.resolve.reference import resolve as _reference

__all__ = ["resolve"]


def _fake(
    prior: Tensor, state: Tensor, cost: Tensor, reason: Tensor, offsets: Tensor, priors: int
) -> tuple[Tensor, Tensor, Tensor]:
    index = offsets.new_empty(offsets.shape[0] - 1, priors)
    return index, index.float(), reason.char()


resolve = Op(
    "resolve",
    "(Tensor prior, Tensor state, Tensor cost, Tensor reason, Tensor offsets, SymInt priors) "
    "-> (Tensor, Tensor, Tensor)",
    _reference,
    _fake,
    {"triton": (lazily("resolve", "resolve"), limits.refusal), "native": (native.resolve, native.refusal)},
).register()
"""Owner of every prior `[B, N]`, its quality exp(-cost) `[B, N]`, and the reason of each row `[G]`.

From choices `[G, M]`: `prior` (-1: none), `state` (1: wants it, -1: leaves it out of the loss, 0: neither) and a
non-negative float32 `cost`. The lowest cost wins, then the lower row; only claimants compete. A prior nobody wants is
-2 (IGNORE) if somebody leaves it out, else -1. `reason` `[G]` stays for rows without any choice."""
