"""Which boxes lie in ignored regions."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.geometry import covered, is_rotated
from labelassign.ops.blocks import row_blocks, selected
from labelassign.ops.near import among_near


def cover(boxes: Tensor, regions: Tensor, active: Tensor, image_of: Tensor, images: int, share: float) -> Tensor:
    """`[B, N]`: at least `share` of the box lies in one `active` region of its image (a point: is inside)."""
    n = boxes.shape[-2]
    out = torch.zeros(images, n, dtype=torch.int32, device=boxes.device)
    rows = selected(active)
    for part in row_blocks(rows.shape[0], n):
        row = rows[part]
        mine = boxes if boxes.dim() == 2 else boxes[image_of[row]]
        turned = is_rotated(mine) or is_rotated(regions)
        part_in = among_near(covered, mine, regions[row]) if turned else covered(mine, regions[row, None, :])
        hit = (part_in >= share) & active[row, None]
        out.scatter_reduce_(0, image_of[row, None].expand(-1, n), hit.int(), "amax")
    return out.bool()
