"""The whole of probabilistic anchor assignment in three Triton launches; nothing else runs on the device.

`meet_kernel` has programs of two kinds: one per row for its best overlap, the others for the best of a block of priors,
for which they also write the answer of priors that nobody will get. `cost_kernel` is that of the candidates.
`award_kernel` has one program per row, which chooses, fits, separates, and writes the answer of the priors it keeps.
No program reads or writes what another of its launch writes: every prior is the candidate of one row at most, so rows
never meet, and nothing needs an atomic operation but the count of refused pairs.
"""
# ruff: noqa: ANN001, ANN201 - Triton's own language: pointers and blocks of numbers, `if` by constants
# pyright: basic, reportOperatorIssue=false, reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from labelassign.ops.accelerator import blocks, launch, power_of_two
from labelassign.ops.candidates.triton import (
    COST_BLOCK,
    NEVER,
    REJECTED,
    chance,
    cost_kernel,
    cost_key,
    cost_of,
    end_of,
    ends_of,
    keep_least,
    networks_of,
)
from labelassign.ops.complete.triton import FINE, barred, finish, hide
from labelassign.ops.match.triton import (
    arranged,
    best_rows,
    best_value,
    image_of,
    iou,
    load_box,
    load_priors,
    packed,
    rows_of,
    tame,
    usable,
)
from labelassign.ops.mixture.triton import rules_of, settled

# the sizes up to which no target spills registers
MEETING = {"warps": 4, "BLOCK": 128, "SCAN": 1024}
AWARDING = {"warps": 8, "SCAN": 1024}


@triton.jit
def best_of_row(
    row, image, PRIORS, VALID, BOXES, LABELS, IGNORE, classes, N, real, stride,
    HAS_VALID: tl.constexpr, EVERY: tl.constexpr, SCAN: tl.constexpr,
):  # fmt: skip
    """The best overlap of a row with a prior of its image; -1 without any, or if it may own none (not EVERY)."""
    x1, y1, x2, y2 = load_box(BOXES + row * 4, 1, True)
    able = usable(row, x1, y1, x2, y2, LABELS, IGNORE, real, classes)
    gx1, gy1, gx2, gy2 = tame(x1, y1, x2, y2)
    best = tl.full([SCAN], -1.0, tl.float32)
    for start in range(0, N if EVERY else tl.where(able > 0, N, 0), SCAN):
        index = start + tl.arange(0, SCAN)
        live, px1, py1, px2, py2, _, _, _, _ = load_priors(PRIORS, VALID, image, index, N, stride, HAS_VALID)
        overlap = iou(gx1, gy1, gx2, gy2, px1, py1, px2, py2)
        best = tl.maximum(best, tl.where(live, overlap, -1.0))
    return tl.max(best, 0)


@triton.jit
def write(
    owner, quality, image, index, there, PRIORS, VALID, BOXES, LABELS, IGNORE, N, begin, end, real,
    stride, INDEX, QUALITY, SOFT, CLS_WEIGHT, LOC_WEIGHT,
    SHARE: tl.constexpr, HAS_VALID: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The answer of some priors of an image, of which nobody's may lie in its ignored regions."""
    place = image.to(tl.int64) * N + index
    if SHARE >= 0.0:
        x1, y1, x2, y2 = load_box(PRIORS + image.to(tl.int64) * stride + index * 4, 1, there)
        owner = hide(owner, x1, y1, x2, y2, begin, end, real, BOXES, LABELS, IGNORE, SHARE, BLOCK)
    finish(owner, place, there, None, VALID, INDEX, SOFT, CLS_WEIGHT, LOC_WEIGHT, HAS_VALID)
    tl.store(QUALITY + place, quality, mask=there)


@triton.jit(do_not_specialize=["classes", "N", "G", "B", "stride", "spans"])
def meet_kernel(
    PRIORS, VALID, BOXES, LABELS, OFFSETS, IGNORE, classes, N, G, B, stride,
    spans, COST, ROW, BEST, REASON, REFUSED, INDEX, QUALITY, SOFT, CLS_WEIGHT, LOC_WEIGHT,
    POS_IOU: tl.constexpr, RESCUE: tl.constexpr, ZERO: tl.constexpr, SHARE: tl.constexpr, NETWORKS: tl.constexpr,
    HAS_VALID: tl.constexpr, BLOCK: tl.constexpr, SCAN: tl.constexpr,
):  # fmt: skip
    """The best overlap of a row; or of each of a block of priors with its row, and its answer if no row gets it.

    Without INDEX nothing is answered yet, and the reason of a row that may own nothing is told, too.
    """
    number = tl.program_id(0)
    real = tl.load(OFFSETS + B)
    if number < G:
        image = image_of(OFFSETS, number, B)
        found = best_of_row(
            number, image, PRIORS, VALID, BOXES, LABELS, IGNORE, classes, N, real, stride,
            HAS_VALID, INDEX is None, SCAN,
        )  # fmt: skip
        highest = tl.maximum(found, 0.0)
        tl.store(BEST + number, packed(highest))
        tl.store(REASON + number, chance(highest, found >= 0.0, POS_IOU, RESCUE, ZERO))
    else:
        image, block = (number - G) // spans, (number - G) % spans
        index = block * BLOCK + tl.arange(0, BLOCK)
        live, x1, y1, x2, y2, left, top, right, low = load_priors(PRIORS, VALID, image, index, N, stride, HAS_VALID)
        begin, end = rows_of(OFFSETS, image, B, G)
        best, row = best_rows(
            live, x1, y1, x2, y2, left, top, right, low, index, BOXES, LABELS, IGNORE, None, begin, end,
            real, classes, True, False, BLOCK,
        )  # fmt: skip
        place = image.to(tl.int64) * N + index
        tl.store(COST + place, best, mask=index < N)
        tl.store(ROW + place, row, mask=index < N)
        if INDEX is not None:
            nobody, nothing = tl.full([BLOCK], -1, tl.int64), tl.zeros([BLOCK], tl.float32)
            write(
                nobody, nothing, image, index, index < N, PRIORS, VALID, BOXES, LABELS, IGNORE, N, begin, end, real,
                stride, INDEX, QUALITY, SOFT, CLS_WEIGHT, LOC_WEIGHT, SHARE, HAS_VALID, BLOCK,
            )  # fmt: skip
        if block == 0:
            for network in tl.static_range(NETWORKS):  # pyright: ignore[reportGeneralTypeIssues]
                tl.store(REFUSED + network * B + image, 0)


@triton.jit
def cheapest(
    row, base, able, ROW, COST, levels, e0, e1, e2, e3, e4, e5, e6, e7,
    TOPK: tl.constexpr, CHOICES: tl.constexpr, SCAN: tl.constexpr,
):  # fmt: skip
    """Keys of the cheapest candidates of a row on each level, above all real ones where there is none; if any was."""
    slot = tl.arange(0, CHOICES)
    best, had = tl.full([CHOICES], NEVER - 1, tl.int64) - slot, 0
    for level in range(tl.where(able > 0, levels, 0)):
        open = (slot >= level * TOPK) & (slot < level * TOPK + TOPK)
        worst = tl.max(tl.where(open, best, -1), 0)
        end = end_of(level, e0, e1, e2, e3, e4, e5, e6, e7)
        for start in range(end_of(level - 1, e0, e1, e2, e3, e4, e5, e6, e7), end, SCAN):
            index = start + tl.arange(0, SCAN)
            mine = tl.load(ROW + base + index, mask=index < end, other=-1) == row
            if tl.max(mine.to(tl.int32), 0) > 0:
                had = 1
                cost = tl.load(COST + base + index, mask=mine, other=float("inf"))
                best, worst = keep_least(best, worst, open, cost_key(cost, index))
    return best, had


@triton.jit
def conclude(
    row, reason, had, state, steps, close, BOXES, LABELS, IGNORE, real, classes, REASON, STEPS, CONVERGED,
):  # fmt: skip
    """What is told of a row in the end."""
    reason = tl.where(had > 0, REJECTED, reason)
    reason = tl.where(tl.max(state, 0) > 0, FINE, reason)
    tl.store(REASON + row, barred(row, reason, BOXES, LABELS, IGNORE, real, classes).to(tl.int8))
    tl.store(STEPS + row, steps)
    tl.store(CONVERGED + row, close)


@triton.jit(do_not_specialize=[
    *("classes", "N", "B", "levels", "e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7", "max_steps"),
])  # fmt: skip
def award_kernel(
    BOXES, LABELS, OFFSETS, IGNORE, classes, N, B, levels, e0, e1, e2, e3, e4, e5, e6, e7, max_steps,
    ROW, COST, INDEX, QUALITY, SOFT, CLS_WEIGHT, LOC_WEIGHT, REASON, STEPS, CONVERGED,
    TOPK: tl.constexpr, CHOICES: tl.constexpr,
    TOL: tl.constexpr, REG: tl.constexpr, NORMALIZE: tl.constexpr, DATA_VARIANCE: tl.constexpr,
    SCHEME: tl.constexpr, SINGLE_STAYS: tl.constexpr, ALL_IF_EMPTY: tl.constexpr, INTERLEAVED: tl.constexpr,
    SCAN: tl.constexpr,
):  # fmt: skip
    """The priors that one row gets."""
    row = tl.program_id(0)
    real, base = tl.load(OFFSETS + B), image_of(OFFSETS, row, B).to(tl.int64) * N
    x1, y1, x2, y2 = load_box(BOXES + row * 4, 1, True)
    able = usable(row, x1, y1, x2, y2, LABELS, IGNORE, real, classes)
    key, had = cheapest(row, base, able, ROW, COST, levels, e0, e1, e2, e3, e4, e5, e6, e7, TOPK, CHOICES, SCAN)
    held = key < NEVER - CHOICES
    cost = tl.where(held, best_value(key), float("inf"))
    state, steps, close = settled(
        key, cost, held, max_steps, TOL, REG, NORMALIZE, DATA_VARIANCE,
        SCHEME, SINGLE_STAYS, ALL_IF_EMPTY, INTERLEAVED, CHOICES,
    )  # fmt: skip
    kept, place = state > 0, base + (key & 0xFFFFFFFF)
    tl.store(INDEX + place, tl.where(kept, row, -2).to(tl.int64), mask=state != 0)
    tl.store(CLS_WEIGHT + place, tl.where(kept, 1.0, 0.0), mask=state != 0)
    tl.store(QUALITY + place, tl.exp(-cost.to(tl.float64)).to(tl.float32), mask=kept)
    tl.store(SOFT + place, tl.full([CHOICES], 1.0, tl.float32), mask=kept)
    tl.store(LOC_WEIGHT + place, tl.full([CHOICES], 1.0, tl.float32), mask=kept)
    reason = tl.load(REASON + row).to(tl.int32)
    conclude(
        row, reason, had, state, steps, close, BOXES, LABELS, IGNORE, real, classes, REASON, STEPS, CONVERGED
    )  # fmt: skip


def paa(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    scores: Tensor,
    boxes: Tensor,
    level_sizes: list[int],
    topk: int,
    pos_iou: float,
    rescue: int,
    zero_rescues: bool,
    claims_take: bool,
    shared: bool,
    *rest: Any,
) -> tuple[Tensor, ...]:
    """See `labelassign.ops.paa`."""
    cost_rules, (tol, max_steps, *rules), share = rest[:5], rest[5:-1], rest[-1]
    rows, n, images = gt_boxes.shape[0], prior_boxes.shape[-2], offsets.shape[0] - 1
    where = arranged(prior_boxes, valid, gt_boxes, gt_labels, offsets, ignore, classes)
    cost, row = gt_boxes.new_empty(images, n), gt_labels.new_empty(images, n, dtype=torch.int32)
    index, best, refused = gt_labels.new_empty(images, n), gt_labels.new_empty(rows), gt_labels.new_empty(images)
    quality, soft, cls_weight, loc_weight = (torch.empty_like(cost) for _ in range(4))
    reason, steps = gt_labels.new_empty(rows, dtype=torch.int8), torch.empty_like(gt_labels)
    converged = gt_labels.new_empty(rows, dtype=torch.bool)
    answer = (index, quality, soft, cls_weight, loc_weight)
    # first the best overlaps
    spans, chosen = blocks(n, MEETING["BLOCK"]), {"POS_IOU": pos_iou, "RESCUE": rescue, "ZERO": zero_rescues}
    chosen["HAS_VALID"] = valid is not None
    made, grid = (cost, row, best, reason, refused, *answer), (rows + images * spans,)
    launch(meet_kernel, grid, scores, *where, spans, *made, SHARE=share, NETWORKS=1, **chosen, **MEETING)
    # then who may choose each prior, at what cost
    network, made = networks_of(scores, boxes), (best, None, cost, row, None, None, None, None, refused)
    chosen |= {"TAKE": claims_take, **cost_of(*cost_rules)}
    launch(cost_kernel, (blocks(n, COST_BLOCK), images), scores, *where, *network, *made, warps=4, **chosen)
    # then what each row gets
    given = (*where[2:8], images, len(level_sizes), *ends_of(level_sizes), max_steps, row, cost)
    lists = {"TOPK": topk, "CHOICES": power_of_two(len(level_sizes) * topk, 32), **rules_of(tol, *rules)}
    extra = (reason, steps, converged.view(torch.int8))
    launch(award_kernel, (rows,), scores, *given, *answer, *extra, **lists, **AWARDING)
    return *answer, reason, refused, steps, converged
