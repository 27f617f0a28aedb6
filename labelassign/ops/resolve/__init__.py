"""Op of conflict resolution."""

from __future__ import annotations

from torch import Tensor

from labelassign.ops.dispatch import Op
from labelassign.ops.resolve.reference import resolve as _reference

__all__ = ["resolve"]


def _fake(
    prior: Tensor, state: Tensor, key: Tensor, image_of: Tensor, images: int, priors: int
) -> tuple[Tensor, Tensor]:
    return prior.new_empty((images, priors)), key.new_empty((images, priors))


resolve = Op(
    "resolve",
    "(Tensor prior, Tensor state, Tensor key, Tensor image_of, SymInt images, SymInt priors) -> (Tensor, Tensor)",
    _reference,
    _fake,
).register()
"""Owner of every prior `[B, N]` and the key it won with, from choices `[G, M]`: `prior` (-1: none), `state` (1: wants
it, -1: leaves it out of the loss, 0: neither) and a non-negative float32 `key`. The lowest key wins, then the lower
row; only claimants compete. A prior nobody wants is -2 (IGNORE) if somebody leaves it out, else -1."""
