"""Matching by overlap in Triton: the best of every prior and of every row, then the claims of needy rows.

One program works on a block of priors of one image and walks through the image's rows, skipping those that do not
touch the block: their overlap is 0. Overlaps are float32 in the order of `labelassign.geometry`; nothing is fused.
Maxima over programs go through packed integers, so their order does not matter.
"""
# ruff: noqa: ANN001, ANN201, D103, SIM102 - Triton's own language: pointers and blocks of numbers, `if` by constants
# pyright: basic, reportOperatorIssue=false, reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from labelassign.ops.accelerator import blocks, launch

TINY = tl.constexpr(torch.finfo(torch.float32).tiny)
LOW32 = tl.constexpr(0xFFFFFFFF)
OFF, HIGHEST, LAST = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)
BLOCK = 128


@triton.jit
def finite(x):
    return tl.abs(x) < float("inf")


@triton.jit
def load_box(place, step, mask):
    x1 = tl.load(place, mask=mask, other=0.0).to(tl.float32)
    y1 = tl.load(place + step, mask=mask, other=0.0).to(tl.float32)
    x2 = tl.load(place + 2 * step, mask=mask, other=0.0).to(tl.float32)
    y2 = tl.load(place + 3 * step, mask=mask, other=0.0).to(tl.float32)
    return x1, y1, x2, y2


@triton.jit
def finite_box(x1, y1, x2, y2):
    return finite(x1) & finite(y1) & finite(x2) & finite(y2)


@triton.jit
def tame(x1, y1, x2, y2):
    """No further out than 1e9 pixels, and empty if a corner is not finite: overlaps of such boxes are numbers."""
    sound = finite_box(x1, y1, x2, y2)
    x1 = tl.where(sound, tl.minimum(tl.maximum(x1, -1e9), 1e9), 0.0)
    y1 = tl.where(sound, tl.minimum(tl.maximum(y1, -1e9), 1e9), 0.0)
    x2 = tl.where(sound, tl.minimum(tl.maximum(x2, -1e9), 1e9), 0.0)
    y2 = tl.where(sound, tl.minimum(tl.maximum(y2, -1e9), 1e9), 0.0)
    return x1, y1, x2, y2


@triton.jit
def at_least(x, floor):
    """As torch.clamp: a NaN stays one."""
    return tl.where(x < floor, floor, x)


@triton.jit
def ratio(part, whole):
    return tl.div_rn(part, at_least(whole, TINY))


@triton.jit
def intersection(ax1, ay1, ax2, ay2, bx1, by1, bx2, by2):
    width = at_least(tl.minimum(ax2, bx2) - tl.maximum(ax1, bx1), 0.0)
    return width * at_least(tl.minimum(ay2, by2) - tl.maximum(ay1, by1), 0.0)


@triton.jit
def iou(ax1, ay1, ax2, ay2, bx1, by1, bx2, by2):
    inner = intersection(ax1, ay1, ax2, ay2, bx1, by1, bx2, by2)
    return ratio(inner, (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - inner)


@triton.jit
def giou(ax1, ay1, ax2, ay2, bx1, by1, bx2, by2):
    inner = intersection(ax1, ay1, ax2, ay2, bx1, by1, bx2, by2)
    whole = at_least(ax2 - ax1, 0.0) * at_least(ay2 - ay1, 0.0)
    whole = whole + at_least(bx2 - bx1, 0.0) * at_least(by2 - by1, 0.0) - inner
    hull = (tl.maximum(ax2, bx2) - tl.minimum(ax1, bx1)) * (tl.maximum(ay2, by2) - tl.minimum(ay1, by1))
    found = at_least(ratio(inner, whole) - ratio(hull - whole, hull), -1.0)
    return tl.where(found > 1.0, 1.0, found)


@triton.jit
def rows_of(OFFSETS, image, images, rows):
    """First row of an image and the one past its last; the last image has the rows of padding, too."""
    begin = tl.minimum(tl.maximum(tl.load(OFFSETS + image), 0), rows)
    end = tl.minimum(tl.maximum(tl.load(OFFSETS + image + 1), begin), rows)
    return begin.to(tl.int32), tl.where(image == images - 1, rows, end).to(tl.int32)


@triton.jit
def image_of(OFFSETS, row, images):
    """The image that owns a row; the last one has the rows of padding, too."""
    before = 0
    for begin in range(0, images, 64):
        place = begin + tl.arange(0, 64)
        ends = tl.load(OFFSETS + 1 + place, mask=place < images, other=0x7FFFFFFFFFFFFFFF)
        before += tl.sum((ends <= row).to(tl.int32), 0)
    return tl.minimum(before, images - 1)


@triton.jit
def well_formed(row, x1, y1, x2, y2, LABELS, real, classes):
    """Whether a row is no padding and makes sense; 1 or 0."""
    label = tl.load(LABELS + row)
    sound = finite_box(x1, y1, x2, y2) & (x2 >= x1) & (y2 >= y1) & (label >= 0) & (row < real)
    # a number: the interpreter spreads a comparison of single floats over a block as a float
    return tl.where(sound & ((classes < 0) | (label < classes)), 1, 0)


@triton.jit
def usable(row, x1, y1, x2, y2, LABELS, IGNORE, real, classes):
    """Whether a row may own priors: not padding, not ignored, well formed; 1 or 0."""
    return tl.where(tl.load(IGNORE + row) == 0, well_formed(row, x1, y1, x2, y2, LABELS, real, classes), 0)


@triton.jit
def load_priors(PRIORS, VALID, image, index, N, stride, HAS_VALID: tl.constexpr):
    """Boxes of a block of priors, made tame; which of them there are; and the smallest box around those."""
    live = index < N
    x1, y1, x2, y2 = load_box(PRIORS + image.to(tl.int64) * stride + index * 4, 1, live)
    x1, y1, x2, y2 = tame(x1, y1, x2, y2)
    if HAS_VALID:
        live = live & (tl.load(VALID + image.to(tl.int64) * N + index, mask=live, other=0) != 0)
    left, top = tl.min(tl.where(live, x1, float("inf")), 0), tl.min(tl.where(live, y1, float("inf")), 0)
    right, low = tl.max(tl.where(live, x2, float("-inf")), 0), tl.max(tl.where(live, y2, float("-inf")), 0)
    return live, x1, y1, x2, y2, left, top, right, low


@triton.jit
def packed(overlap):
    """A key in the order of overlaps, with room for what decides between equals."""
    return (overlap + 0.0).to(tl.int32, bitcast=True).to(tl.int64) << 32


@triton.jit
def best_value(key):
    return (key >> 32).to(tl.int32).to(tl.float32, bitcast=True)


@triton.jit
def best_rows(
    live, x1, y1, x2, y2, left, top, right, low, index, BOXES, LABELS, IGNORE, BEST, begin, end, real, classes,
    ALL_TIES: tl.constexpr, FIRST: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Best overlap of every prior of a block and its row, -1 without any; BEST (or None): what rows find here.

    FIRST: a row whose best overlap is 0 wants to know its first prior, too.
    """
    best = tl.zeros([BLOCK], tl.float32)
    row = tl.full([BLOCK], -1, tl.int32)
    first = -1  # the row that wins where no overlap is above 0
    for g in range(begin, end):
        rx1, ry1, rx2, ry2 = load_box(BOXES + g * 4, 1, True)
        able = usable(g, rx1, ry1, rx2, ry2, LABELS, IGNORE, real, classes)
        first = tl.where((able > 0) & (first < 0), g, first)
        gx1, gy1, gx2, gy2 = tame(rx1, ry1, rx2, ry2)
        if ((gx2 > left) & (right > gx1) & (gy2 > top) & (low > gy1)) | FIRST:
            overlap = iou(gx1, gy1, gx2, gy2, x1, y1, x2, y2)
            overlap = tl.where(live, overlap, -1.0)
            better = (able > 0) & (overlap > best)
            best, row = tl.where(better, overlap, best), tl.where(better, g, row)
            if BEST is not None:
                highest = tl.max(overlap, 0)
                if (highest > 0.0) | (FIRST & (highest == 0.0)):
                    key = packed(highest)
                    if not ALL_TIES:
                        key = key | (tl.min(tl.where(overlap == highest, index, 0x7FFFFFFF), 0).to(tl.int64) ^ LOW32)
                    tl.atomic_max(BEST + g, key, sem="relaxed")
    return best, tl.where(live, tl.where(row < 0, first, row), -1)


@triton.jit(do_not_specialize=["classes", "N", "G", "B", "stride"])
def best_kernel(
    PRIORS, VALID, BOXES, LABELS, OFFSETS, IGNORE, classes, N, G, B, stride, IOU, ROW, BEST, REACHED, REFUSED,
    HAS_VALID: tl.constexpr, ALL_TIES: tl.constexpr, ZERO: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Best overlap of every prior and its row; best overlap of every row, packed with the first prior that has it."""
    block, image = tl.program_id(0), tl.program_id(1)
    index = block * BLOCK + tl.arange(0, BLOCK)
    live, x1, y1, x2, y2, left, top, right, low = load_priors(PRIORS, VALID, image, index, N, stride, HAS_VALID)
    begin, end = rows_of(OFFSETS, image, B, G)
    best, row = best_rows(
        live, x1, y1, x2, y2, left, top, right, low, index, BOXES, LABELS, IGNORE, BEST, begin, end,
        tl.load(OFFSETS + B), classes, ALL_TIES, ZERO and not ALL_TIES, BLOCK,
    )  # fmt: skip
    place = image.to(tl.int64) * N + index
    tl.store(IOU + place, best, mask=index < N)
    tl.store(ROW + place, row, mask=index < N)
    if HAS_VALID and ZERO:
        if tl.max(live.to(tl.int32), 0) > 0:
            tl.store(REACHED + image, 1)
    if REFUSED is not None:
        if block == 0:
            tl.store(REFUSED + image, 0)


@triton.jit
def claims(
    live, x1, y1, x2, y2, left, top, right, low, index, BOXES, LABELS, IGNORE, BEST, begin, end, real, classes,
    MIN_IOU: tl.constexpr, RESCUE: tl.constexpr, ZERO: tl.constexpr, ALL_TIES: tl.constexpr,
):  # fmt: skip
    """The needy row that claims each prior of a block, -1 where none does."""
    claim = tl.where(live, -1, -1)
    bid = tl.where(live, -1.0, -1.0)
    for g in range(begin, end):
        key = tl.load(BEST + g)
        highest = best_value(key)
        if (highest >= MIN_IOU) & ((highest > 0.0) | ZERO):
            rx1, ry1, rx2, ry2 = load_box(BOXES + g * 4, 1, True)
            able = usable(g, rx1, ry1, rx2, ry2, LABELS, IGNORE, real, classes)
            gx1, gy1, gx2, gy2 = tame(rx1, ry1, rx2, ry2)
            touching = (gx2 > left) & (right > gx1) & (gy2 > top) & (low > gy1)
            if (able > 0) & (touching | (highest == 0.0)):
                overlap = iou(gx1, gy1, gx2, gy2, x1, y1, x2, y2)
                wanted = live & (overlap == highest)
                if not ALL_TIES:
                    wanted = wanted & (index == ((key & LOW32) ^ LOW32))
                if RESCUE == HIGHEST:  # the higher overlap, then the lower row; otherwise the later row
                    wanted = wanted & (overlap > bid)
                    bid = tl.where(wanted, overlap, bid)
                claim = tl.where(wanted, g, claim)
    return claim


@triton.jit(do_not_specialize=["classes", "N", "G", "B", "stride"])
def claim_kernel(
    PRIORS, VALID, BOXES, LABELS, OFFSETS, IGNORE, classes, N, G, B, stride, BEST, HIGH, CLAIM,
    MIN_IOU: tl.constexpr, RESCUE: tl.constexpr, ZERO: tl.constexpr, ALL_TIES: tl.constexpr,
    HAS_VALID: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The op's own end: claims of priors, and the best overlaps of rows unpacked."""
    block, image = tl.program_id(0), tl.program_id(1)
    index = block * BLOCK + tl.arange(0, BLOCK)
    begin, end = rows_of(OFFSETS, image, B, G)
    claim = tl.full([BLOCK], -1, tl.int32)
    if RESCUE != OFF:
        live, x1, y1, x2, y2, left, top, right, low = load_priors(PRIORS, VALID, image, index, N, stride, HAS_VALID)
        claim = claims(
            live, x1, y1, x2, y2, left, top, right, low, index, BOXES, LABELS, IGNORE, BEST, begin, end,
            tl.load(OFFSETS + B), classes, MIN_IOU, RESCUE, ZERO, ALL_TIES,
        )  # fmt: skip
    tl.store(CLAIM + image.to(tl.int64) * N + index, claim.to(tl.int64), mask=index < N)
    if block == 0:
        for start in range(begin, end, BLOCK):
            g = start + tl.arange(0, BLOCK)
            tl.store(HIGH + g, best_value(tl.load(BEST + g, mask=g < end, other=0)), mask=g < end)


def arranged(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
) -> tuple[Any, ...]:
    """The arguments with which every kernel over priors and objects begins."""
    priors, present = prior_boxes.contiguous(), None if valid is None else valid.contiguous()
    rows = [t.contiguous() for t in (gt_boxes, gt_labels, offsets, ignore)]
    n = priors.shape[-2]
    stride = n * 4 if priors.dim() == 3 else 0
    return priors, present, *rows, classes, n, gt_boxes.shape[0], offsets.shape[0] - 1, stride


def match(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    rescue: int,
    min_iou: float,
    zero_rescues: bool,
    all_ties: bool,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """See `labelassign.ops.match`."""
    where = arranged(prior_boxes, valid, gt_boxes, gt_labels, offsets, ignore, classes)
    rows, n, images = gt_boxes.shape[0], prior_boxes.shape[-2], offsets.shape[0] - 1
    iou, row = gt_boxes.new_empty(images, n), gt_labels.new_empty(images, n)
    claim, high = torch.empty_like(row), gt_boxes.new_empty(rows)
    sums, grid = gt_labels.new_zeros(rows + images), (blocks(n, BLOCK), images)
    best, reached = sums[:rows], sums[rows:]
    rules = {"HAS_VALID": valid is not None, "ALL_TIES": all_ties, "ZERO": zero_rescues, "BLOCK": BLOCK}
    launch(best_kernel, grid, iou, *where, iou, row, best, reached, None, warps=1, **rules)
    launch(claim_kernel, grid, iou, *where, best, high, claim, warps=1, MIN_IOU=min_iou, RESCUE=rescue, **rules)
    return iou, row, high, claim
