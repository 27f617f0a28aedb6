"""The whole of assignment by overlap in Triton: best overlaps, then claims and thresholds, then reasons."""
# ruff: noqa: ANN001, ANN201 - Triton's own language: pointers and blocks of numbers, `if` by constants
# pyright: basic, reportOperatorIssue=false, reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from labelassign.ops.accelerator import blocks, launch
from labelassign.ops.complete.triton import complete
from labelassign.ops.match.triton import (
    BLOCK,
    OFF,
    arranged,
    best_kernel,
    best_value,
    claims,
    image_of,
    load_priors,
    rows_of,
)

FINE, NO_CANDIDATE, REJECTED, RESCUED = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2), tl.constexpr(6)


@triton.jit(do_not_specialize=["classes", "N", "G", "B", "stride"])
def decide_kernel(
    PRIORS, VALID, BOXES, LABELS, OFFSETS, IGNORE, classes, N, G, B, stride, IOU, ROW, BEST, AIDED,
    POS_IOU: tl.constexpr, LOW: tl.constexpr, HIGH: tl.constexpr, MIN_IOU: tl.constexpr,
    RESCUE: tl.constexpr, ZERO: tl.constexpr, ALL_TIES: tl.constexpr, TAKE: tl.constexpr,
    HAS_VALID: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """What every prior learns (ROW: in the argmax, out the answer); AIDED: rows that a threshold alone served."""
    index, image = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK), tl.program_id(1)
    place = image.to(tl.int64) * N + index
    row = tl.load(ROW + place, mask=index < N, other=-1)
    overlap = tl.load(IOU + place, mask=index < N, other=0.0)
    answer = tl.where(((overlap >= LOW) & (overlap < HIGH)) | (row < 0), -1, -2)
    enough = (overlap >= POS_IOU) & (row >= 0)
    answer = tl.where(enough, row, answer)
    if RESCUE != OFF:
        begin, end = rows_of(OFFSETS, image, B, G)
        live, x1, y1, x2, y2, left, top, right, low = load_priors(PRIORS, VALID, image, index, N, stride, HAS_VALID)
        claim = claims(
            live, x1, y1, x2, y2, left, top, right, low, index, BOXES, LABELS, IGNORE, BEST, begin, end,
            tl.load(OFFSETS + B), classes, MIN_IOU, RESCUE, ZERO, ALL_TIES,
        )  # fmt: skip
        answer = tl.where(claim >= 0, claim if TAKE else row, answer)
        tl.store(AIDED + row, 1, mask=enough & (answer == row))
    tl.store(ROW + place, answer, mask=index < N)


@triton.jit(do_not_specialize=["G", "B"])
def reason_kernel(
    OFFSETS, G, B, BEST, REACHED, AIDED, REASON,
    POS_IOU: tl.constexpr, MIN_IOU: tl.constexpr, RESCUE: tl.constexpr, ZERO: tl.constexpr,
    HAS_VALID: tl.constexpr,
):  # fmt: skip
    """Why a row has what it has."""
    row = tl.program_id(0)
    best = best_value(tl.load(BEST + row))
    reason = tl.where(best >= POS_IOU, FINE, tl.where(best > 0.0, REJECTED, NO_CANDIDATE))
    if RESCUE != OFF:
        needy = best > 0.0
        if ZERO:
            needy = tl.load(REACHED + image_of(OFFSETS, row, B)) > 0 if HAS_VALID else best >= 0.0
            needy = needy | (best > 0.0)
        reason = tl.where((best >= MIN_IOU) & needy & (tl.load(AIDED + row) == 0), RESCUED, reason)
    tl.store(REASON + row, reason)


def max_iou(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    pos_iou: float,
    lo: float,
    hi: float,
    rescue: int,
    min_iou: float,
    zero_rescues: bool,
    all_ties: bool,
    claims_take: bool,
    ignore_iof: float,
) -> tuple[Tensor, ...]:
    """See `labelassign.ops.max_iou`."""
    where = arranged(prior_boxes, valid, gt_boxes, gt_labels, offsets, ignore, classes)
    rows, n, images = gt_boxes.shape[0], prior_boxes.shape[-2], offsets.shape[0] - 1
    iou, row = gt_boxes.new_empty(images, n), gt_labels.new_empty(images, n)
    # best overlaps of rows, which rows needed no claim, which images have any prior
    sums = gt_labels.new_zeros(2 * rows + images)
    best, aided, reached = sums[:rows], sums[rows : 2 * rows], sums[2 * rows :]
    reason, grid = torch.empty_like(gt_labels, dtype=torch.int8), (blocks(n, BLOCK), images)
    rules = {"ZERO": zero_rescues, "HAS_VALID": valid is not None}
    ties = {"ALL_TIES": all_ties, "BLOCK": BLOCK}
    launch(best_kernel, grid, iou, *where, iou, row, best, reached, None, warps=1, **ties, **rules)
    rules |= {"POS_IOU": pos_iou, "RESCUE": rescue, "MIN_IOU": min_iou}
    limits = {"LOW": lo, "HIGH": hi, "TAKE": claims_take, **ties}
    launch(decide_kernel, grid, iou, *where, iou, row, best, aided, warps=1, **limits, **rules)
    launch(reason_kernel, (rows,), iou, where[4], rows, images, best, reached, aided, reason, warps=1, **rules)
    rest = (prior_boxes, valid, gt_boxes, gt_labels, offsets, ignore, classes, ignore_iof)
    index, *weights, reason = complete(row, reason, None, *rest)
    return index, iou, *weights, reason
