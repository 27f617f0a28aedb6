"""From lists of NCHW feature maps to one `[B, N, D]` tensor in the order of the priors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from labelassign import checks
from labelassign.structures.priors import Priors


def flatten(who: str, name: str, maps: Sequence[Tensor], priors: Priors) -> Tensor:
    """Concatenate `[B, A·D, H, W]` maps to `[B, N, D]`: rows, columns, then anchors of the cell."""
    found = {f"`{name}`": len(maps), "priors": len(priors.level_sizes)}
    checks.equal(who, "number of levels", found, "Give one map per level.")
    flat: list[Tensor] = []
    for level, (each, size) in enumerate(zip(maps, priors.level_sizes, strict=True)):
        checks.tensor(who, f"{name}[{level}]", each, ("B", "A·D", "H", "W"), "floating")
        batch, channels, height, width = each.shape
        if height * width * priors.per_cell != size or channels % priors.per_cell:
            expected = f"`{name}[{level}]` with {size} priors, {priors.per_cell} per cell"
            checks.fail(who, expected, list(each.shape), "Make the priors from these maps' shapes.")
        split = each.reshape(batch, priors.per_cell, channels // priors.per_cell, height, width)
        flat.append(split.permute(0, 3, 4, 1, 2).reshape(batch, size, -1))
    return torch.cat(flat, 1)
