"""What every answer needs in the end, in Triton: one launch over priors, one over rows."""
# ruff: noqa: ANN001, ANN201 - Triton's own language: pointers and blocks of numbers, `if` by constants
# pyright: basic, reportOperatorIssue=false, reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from labelassign.ops.accelerator import blocks, launch
from labelassign.ops.match.triton import intersection, load_box, rows_of, usable, well_formed

FINE, LOST, IGNORED = tl.constexpr(0), tl.constexpr(3), tl.constexpr(4)
INVALID, RESCUED, PADDING = tl.constexpr(5), tl.constexpr(6), tl.constexpr(7)
BLOCK = 256


@triton.jit
def covered(x1, y1, x2, y2, rx1, ry1, rx2, ry2):
    """Share of a box inside a region; for a box without area 1 or 0: its centre is inside or not."""
    size = (x2 - x1) * (y2 - y1)
    px, py = (x1 + x2) * 0.5, (y1 + y2) * 0.5  # a division would be an approximate one
    inside = (px - rx1 >= 0.0) & (py - ry1 >= 0.0) & (rx2 - px >= 0.0) & (ry2 - py >= 0.0)
    share = tl.div_rn(intersection(x1, y1, x2, y2, rx1, ry1, rx2, ry2), tl.where(size > 0.0, size, 1.0))
    return tl.where(size > 0.0, share, tl.where(inside, 1.0, 0.0))


@triton.jit
def hide(
    index, x1, y1, x2, y2, begin, end, real, BOXES, LABELS, IGNORE, SHARE: tl.constexpr, BLOCK: tl.constexpr
):  # fmt: skip
    """Index of priors, -2 where an ignored region among some rows covers the background."""
    hidden = tl.zeros([BLOCK], tl.int32)
    for g in range(begin, end):
        if tl.load(IGNORE + g) != 0:
            rx1, ry1, rx2, ry2 = load_box(BOXES + g * 4, 1, True)
            if well_formed(g, rx1, ry1, rx2, ry2, LABELS, real, -1) > 0:
                share = covered(x1, y1, x2, y2, rx1, ry1, rx2, ry2)
                hidden = tl.where(share >= SHARE, 1, hidden)
    return tl.where((index == -1) & (hidden > 0), -2, index)


@triton.jit
def finish(index, place, there, TARGET, VALID, FOUND, SOFT, CLS_WEIGHT, LOC_WEIGHT, HAS_VALID: tl.constexpr):
    """Write index, target (1 where TARGET is None) and weights of priors; the index, -2 where a prior is invalid."""
    if HAS_VALID:
        index = tl.where(tl.load(VALID + place, mask=there, other=0) != 0, index, -2)
    positive = tl.where(index >= 0, 1.0, 0.0)
    soft = positive
    if TARGET is not None:
        soft = TARGET * positive
    tl.store(FOUND + place, index, mask=there)
    tl.store(SOFT + place, soft, mask=there)
    tl.store(CLS_WEIGHT + place, tl.where(index == -2, 0.0, 1.0), mask=there)
    tl.store(LOC_WEIGHT + place, positive, mask=there)
    return index


@triton.jit
def barred(row, reason, BOXES, LABELS, IGNORE, real, classes):
    """A row's reason, unless it may own nothing anyway."""
    x1, y1, x2, y2 = load_box(BOXES + row * 4, 1, True)
    reason = tl.where(usable(row, x1, y1, x2, y2, LABELS, IGNORE, real, classes) > 0, reason, INVALID)
    reason = tl.where(tl.load(IGNORE + row) != 0, IGNORED, reason)
    return tl.where(row < real, reason, PADDING)


@triton.jit(do_not_specialize=["N", "G", "B", "s0", "s1", "s2"])
def prior_kernel(
    INDEX, TARGET, SEEN, VALID, BOXES, LABELS, OFFSETS, IGNORE, N, G, B, s0, s1, s2,
    FOUND, SOFT, CLS_WEIGHT, LOC_WEIGHT, OWNS,
    SHARE: tl.constexpr, HAS_VALID: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Index, target and weights of every prior; OWNS: rows that have one."""
    image, n = tl.program_id(1), tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    place = image.to(tl.int64) * N + n
    index = tl.load(INDEX + place, mask=n < N, other=-1)
    if SHARE >= 0.0:
        begin, end = rows_of(OFFSETS, image, B, G)
        x1, y1, x2, y2 = load_box(SEEN + (image.to(tl.int64) * s0 + n.to(tl.int64) * s1), s2, n < N)
        real = tl.load(OFFSETS + B)
        index = hide(index, x1, y1, x2, y2, begin, end, real, BOXES, LABELS, IGNORE, SHARE, BLOCK)
    target = None
    if TARGET is not None:
        target = tl.load(TARGET + place, mask=n < N, other=0.0)
    index = finish(index, place, n < N, target, VALID, FOUND, SOFT, CLS_WEIGHT, LOC_WEIGHT, HAS_VALID)
    tl.store(OWNS + index, 1, mask=(n < N) & (index >= 0) & (index < G))


@triton.jit(do_not_specialize=["B", "classes"])
def row_kernel(REASON, BOXES, LABELS, OFFSETS, IGNORE, B, classes, OWNS, FOUND):
    """The final reason of a row."""
    row = tl.program_id(0)
    reason, real = tl.load(REASON + row).to(tl.int32), tl.load(OFFSETS + B)
    had = (reason == FINE) | (reason == RESCUED)
    served = tl.where(reason == RESCUED, RESCUED, FINE)
    # a row that had what it needed and still ends with nothing has lost it to others
    reason = tl.where(tl.load(OWNS + row) > 0, served, tl.where(had, LOST, reason))
    tl.store(FOUND + row, barred(row, reason, BOXES, LABELS, IGNORE, real, classes))


def complete(
    index: Tensor,
    reason: Tensor,
    cls_target: Tensor | None,
    seen: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    ignore_iof: float,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """See `labelassign.ops.complete`."""
    (images, n), rows = index.shape, gt_boxes.shape[0]
    given = [None if t is None else t.contiguous() for t in (index, cls_target, valid)]
    objects = [t.contiguous() for t in (gt_boxes, gt_labels, offsets, ignore)]
    strides = (0, *seen.stride()) if seen.dim() == 2 else seen.stride()
    found, soft = torch.empty_like(given[0]), gt_boxes.new_empty(images, n)
    cls_weight, loc_weight, final = (
        torch.empty_like(soft),
        torch.empty_like(soft),
        gt_labels.new_empty(rows, dtype=torch.int8),
    )
    owns = gt_labels.new_zeros(rows, dtype=torch.int8)
    where = (*given[:2], seen, given[2], *objects, n, rows, images, *strides)
    rules = {"SHARE": ignore_iof, "HAS_VALID": valid is not None, "BLOCK": BLOCK}
    made = (found, soft, cls_weight, loc_weight, owns)
    launch(prior_kernel, (blocks(n, BLOCK), images), seen, *where, *made, warps=4, **rules)
    launch(row_kernel, (rows,), seen, reason.contiguous(), *objects, images, classes, owns, final, warps=1)
    return found, soft, cls_weight, loc_weight, final
