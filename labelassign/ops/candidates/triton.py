"""Candidates of every object in Triton: three launches, of which the first is `best_kernel` of matching.

The second finds the row that may choose each prior and, for those priors alone, reads the predictions and computes the
cost. The third has one program per row and level, which walks through the level and keeps the cheapest.
"""
# ruff: noqa: ANN001, ANN201, D103, SIM102 - Triton's own language: pointers and blocks of numbers, `if` by constants
# pyright: basic, reportOperatorIssue=false, reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

from math import prod
from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from labelassign.ops.accelerator import blocks, launch, power_of_two
from labelassign.ops.candidates import costs
from labelassign.ops.candidates.limits import LEVELS
from labelassign.ops.match.triton import (
    BLOCK,
    OFF,
    arranged,
    best_kernel,
    best_value,
    claims,
    finite,
    finite_box,
    giou,
    image_of,
    iou,
    load_box,
    load_priors,
    rows_of,
)  # fmt: skip

NO_CANDIDATE, REJECTED, LOST = tl.constexpr(1), tl.constexpr(2), tl.constexpr(3)
SMALLEST = tl.constexpr(costs.SMALLEST)
NEVER = tl.constexpr(0x7FFFFFFFFFFFFFFF)
COST_BLOCK, CLASSES, SCAN = 32, 16, 1024


@triton.jit
def log1p(x):
    """Of -1 < x <= 1 in float64: the rounding of 1 + x, divided out again."""
    u = x + 1.0
    return tl.where(u == 1.0, x, tl.log(u) * (x / tl.where(u == 1.0, 1.0, u - 1.0)))


@triton.jit
def power(base, log_base, GAMMA: tl.constexpr):
    return base * base if GAMMA == 2.0 else tl.exp(log_base * GAMMA)


@triton.jit
def inner(p):
    """Probabilities kept from 0 and 1, so that their logarithms are finite."""
    # a bare number in a comparison would be rounded to float32 first
    least, most = tl.full([], SMALLEST, tl.float64), tl.full([], 1 - SMALLEST, tl.float64)
    p = tl.where(p < least, least, p)
    return tl.where(p > most, most, p)


@triton.jit
def missed(x, GAMMA: tl.constexpr, LOGITS: tl.constexpr):
    """Focal term of a class that the object does not have, without its weight; x: logit or probability, float64."""
    if LOGITS:
        e = tl.exp(-tl.abs(x))
        rest = log1p(e)
        found = power(tl.where(x < 0.0, e, 1.0) / (1.0 + e), tl.where(x < 0.0, x, 0.0) - rest, GAMMA)
        found = found * (tl.where(x > 0.0, x, 0.0) + rest)
    else:
        p = inner(x)
        found = power(p, tl.log(p), GAMMA) * -log1p(-p)
    return found


@triton.jit
def hit(x, GAMMA: tl.constexpr, LOGITS: tl.constexpr):
    """Focal term of the object's own class, without its weight."""
    if LOGITS:
        found = missed(-x, GAMMA, True)
    else:
        p = inner(x)
        found = power(1.0 - p, log1p(-p), GAMMA) * -tl.log(p)
    return found


@triton.jit
def focal(
    place, class_stride, label, member, C,
    ALPHA: tl.constexpr, GAMMA: tl.constexpr, LOGITS: tl.constexpr, CLASSES: tl.constexpr,
):  # fmt: skip
    """Focal loss of a block of rows of scores against one label each, float64; infinite if a score is not finite."""
    total = tl.zeros(label.shape, tl.float64)
    for begin in range(0, C, CLASSES):
        c = begin + tl.arange(0, CLASSES)
        there = member[:, None] & (c < C)[None, :]
        raw = tl.load(place[:, None] + c.to(tl.int64)[None, :] * class_stride, mask=there, other=0.0)
        term = tl.where(finite(raw), missed(raw.to(tl.float64), GAMMA, LOGITS), float("inf"))
        total += tl.sum(tl.where(there & (c[None, :] != label[:, None]), term, 0.0), 1)
    own = tl.load(place + label.to(tl.int64) * class_stride, mask=member, other=0.0)
    own_term = tl.where(finite(own), hit(own.to(tl.float64), GAMMA, LOGITS), float("inf"))
    return total * (1 - ALPHA) + own_term * ALPHA


@triton.jit
def chance(best, any_prior, POS_IOU: tl.constexpr, RESCUE: tl.constexpr, ZERO: tl.constexpr):
    """Why a row of that best overlap would have nothing to choose from."""
    near_enough = best >= POS_IOU
    if RESCUE != OFF:
        near_enough = near_enough | (best > 0.0) | (ZERO & any_prior)
    return tl.where(near_enough, LOST, NO_CANDIDATE)


@triton.jit(do_not_specialize=[
    *("classes", "N", "G", "B", "stride", "s0", "s1", "s2", "C", "p0", "p1", "p2", "t0", "t1", "t2", "q0", "q1", "q2"),
])  # fmt: skip
def cost_kernel(
    PRIORS, VALID, BOXES, LABELS, OFFSETS, IGNORE, classes, N, G, B, stride,
    SCORES, s0, s1, s2, PREDICTED, p0, p1, p2, OTHER_SCORES, t0, t1, t2, OTHER_PREDICTED, q0, q1, q2, C,
    BEST, REACHED, HIGHEST, ARGMAX, ROW, COST, OVERLAP, REASON, REFUSED,
    POS_IOU: tl.constexpr, RESCUE: tl.constexpr, ZERO: tl.constexpr, TAKE: tl.constexpr,
    ALPHA: tl.constexpr, GAMMA: tl.constexpr, LOGITS: tl.constexpr, GENERALIZED: tl.constexpr, WEIGHT: tl.constexpr,
    HAS_VALID: tl.constexpr, BLOCK: tl.constexpr, CLASSES: tl.constexpr,
):  # fmt: skip
    """Who may choose each prior, from its best overlap and the row of that, and at what cost.

    With OTHER_SCORES there are twice as many programs, the further ones for the costs under the other network. Of one
    network the answers take the place of what they come from: ROW and COST are None.
    """
    block, image, network = tl.program_id(0), tl.program_id(1), 0
    index = block * BLOCK + tl.arange(0, BLOCK)
    begin, end = rows_of(OFFSETS, image, B, G)
    place = image.to(tl.int64) * N + index
    argmax = tl.load(ARGMAX + place, mask=index < N, other=-1)
    row = tl.where(tl.load(HIGHEST + place, mask=index < N, other=-1.0) >= POS_IOU, argmax, -1)
    if RESCUE != OFF:
        live, x1, y1, x2, y2, left, top, right, low = load_priors(PRIORS, VALID, image, index, N, stride, HAS_VALID)
        claim = claims(
            live, x1, y1, x2, y2, left, top, right, low, index, BOXES, LABELS, IGNORE, BEST, begin, end,
            tl.load(OFFSETS + B), classes, 0.0, RESCUE, ZERO, True,
        )  # fmt: skip
        row = tl.where(claim >= 0, claim if TAKE else argmax, row)
    if OTHER_SCORES is not None:
        network = tl.program_id(2)
        other = network > 0
        SCORES, PREDICTED = tl.where(other, OTHER_SCORES, SCORES), tl.where(other, OTHER_PREDICTED, PREDICTED)
        s0, s1, s2 = tl.where(other, t0, s0), tl.where(other, t1, s1), tl.where(other, t2, s2)
        p0, p1, p2 = tl.where(other, q0, p0), tl.where(other, q1, p1), tl.where(other, q2, p2)
        tl.store(ROW + place, row, mask=(index < N) & (network == 0))
        place += network * (B.to(tl.int64) * N)
    else:
        ROW, COST = ARGMAX, HIGHEST
        tl.store(ROW + place, row, mask=index < N)
    member = row >= 0
    if tl.max(row, 0) >= 0:
        far, near = image.to(tl.int64), index.to(tl.int64)
        label = tl.load(LABELS + row, mask=member, other=0).to(tl.int32)
        scores = SCORES + (far * s0 + near * s1)
        total = focal(scores, s2, label, member, C, ALPHA, GAMMA, LOGITS, CLASSES)
        gx1, gy1, gx2, gy2 = load_box(BOXES + row.to(tl.int64) * 4, 1, member)
        bx1, by1, bx2, by2 = load_box(PREDICTED + (far * p0 + near * p1), p2, member)
        overlap = iou(bx1, by1, bx2, by2, gx1, gy1, gx2, gy2)
        closeness = giou(bx1, by1, bx2, by2, gx1, gy1, gx2, gy2) if GENERALIZED else overlap
        total = total + (1.0 - closeness.to(tl.float64)) * WEIGHT
        sound = finite_box(bx1, by1, bx2, by2) & finite(closeness)
        cost = tl.where(sound, total, float("inf")).to(tl.float32)
        cost = tl.where(finite(cost), cost, float("inf"))
        tl.store(COST + place, cost, mask=member)
        if OVERLAP is not None:
            tl.store(OVERLAP + place, overlap, mask=member)  # nobody reads it where the cost is infinite
        refused = tl.sum((member & (cost == float("inf"))).to(tl.int32), 0)
        if refused > 0:
            tl.atomic_add(REFUSED + network * B + image, refused, sem="relaxed")
    if REASON is not None:
        if block == 0:
            any_prior = tl.load(REACHED + image) > 0 if HAS_VALID and ZERO else True
            for start in range(begin, end, BLOCK):
                g = start + tl.arange(0, BLOCK)
                best = best_value(tl.load(BEST + g, mask=g < end, other=0))
                tl.store(REASON + g, chance(best, any_prior, POS_IOU, RESCUE, ZERO), mask=g < end)


@triton.jit
def end_of(level, e0, e1, e2, e3, e4, e5, e6, e7):
    """Where a level ends; 0 before the first."""
    end = tl.where(level < 0, 0, e0)
    end = tl.where(level > 0, e1, end)
    end = tl.where(level > 1, e2, end)
    end = tl.where(level > 2, e3, end)
    end = tl.where(level > 3, e4, end)
    end = tl.where(level > 4, e5, end)
    end = tl.where(level > 5, e6, end)
    return tl.where(level > 6, e7, end)


@triton.jit
def keep_least(best, worst, open, key):
    """Put the lowest keys into the open places of `best`, where the highest is `worst`; no key comes twice."""
    least = tl.min(key, 0)
    while least < worst:
        best = tl.where(open & (best == worst), least, best)
        worst = tl.max(tl.where(open, best, -1), 0)
        key = tl.where(key == least, NEVER, key)
        least = tl.min(key, 0)
    return best, worst


@triton.jit
def cost_key(cost, index):
    """A key in the order of costs, then of priors; above all others for a cost that is infinite."""
    key = (cost.to(tl.int32, bitcast=True).to(tl.int64) << 32) | index.to(tl.int64)
    return tl.where(cost < float("inf"), key, NEVER)


@triton.jit(do_not_specialize=["N", "B", "e0", "e1", "e2", "e3", "e4", "e5", "e6", "e7"])
def list_kernel(
    ROW, COST, OVERLAP, OFFSETS, N, B, e0, e1, e2, e3, e4, e5, e6, e7,
    PRIOR, PAID, IOU, COUNT, MEAN, VARIANCE, REASON,
    TOPK: tl.constexpr, K: tl.constexpr, SPREAD: tl.constexpr, NETWORKS: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The cheapest candidates of one row on one level under one network; e0 … e7: where the levels end."""
    g, level, network = tl.program_id(0), tl.program_id(1), tl.program_id(2) if NETWORKS > 1 else 0
    begin = end_of(level - 1, e0, e1, e2, e3, e4, e5, e6, e7)
    end = end_of(level, e0, e1, e2, e3, e4, e5, e6, e7)
    base = image_of(OFFSETS, g, B).to(tl.int64) * N
    paid = base + network * (B.to(tl.int64) * N)
    slot = tl.arange(0, K)
    # the places to fill hold keys above all real ones, those beyond TOPK one below them
    best = tl.where(slot < TOPK, NEVER - 1 - slot.to(tl.int64), -1)
    worst = tl.max(best, 0)
    count, had, total = tl.zeros([], tl.int32), 0, tl.zeros([], tl.float64)
    for start in range(begin, end, BLOCK):
        index = start + tl.arange(0, BLOCK)
        mine = tl.load(ROW + base + index, mask=index < end, other=-1) == g
        if tl.max(mine.to(tl.int32), 0) > 0:
            had = 1
            cost = tl.load(COST + paid + index, mask=mine, other=float("inf"))
            real = cost < float("inf")
            count += tl.sum(real.to(tl.int32), 0)
            if SPREAD:
                total += tl.sum(tl.where(real, cost, 0.0).to(tl.float64), 0)
            best, worst = keep_least(best, worst, slot < TOPK, cost_key(cost, index))
    group = (network * tl.num_programs(0) + g) * tl.num_programs(1) + level
    tl.store(COUNT + group, count)
    if (had > 0) & (network == 0):
        tl.store(REASON + g, REJECTED)
    smaller = (best[None, :] < best[:, None]) & (slot < TOPK)[None, :]
    rank = tl.sum(smaller.to(tl.int32), 1)
    held = (slot < TOPK) & (best < NEVER - K)
    prior = (best & 0xFFFFFFFF).to(tl.int32)
    out = group.to(tl.int64) * TOPK + rank
    tl.store(PRIOR + out, tl.where(held, prior, -1).to(tl.int64), mask=slot < TOPK)
    tl.store(PAID + out, tl.where(held, best_value(best), float("inf")), mask=slot < TOPK)
    tl.store(IOU + out, tl.load(OVERLAP + paid + prior, mask=held, other=0.0), mask=slot < TOPK)
    mean, squares = tl.zeros([], tl.float64), tl.zeros([], tl.float64)
    if SPREAD:
        if count > 0:
            mean = total / count.to(tl.float64)
            for start in range(0, end - begin, BLOCK):
                index = begin + start + tl.arange(0, BLOCK)
                mine = tl.load(ROW + base + index, mask=index < end, other=-1) == g
                cost = tl.load(COST + paid + index, mask=mine, other=float("inf"))
                off = tl.where(cost < float("inf"), cost.to(tl.float64) - mean, 0.0)
                squares += tl.sum(off * off, 0)
            squares = squares / tl.maximum(count - 1, 1).to(tl.float64)
    tl.store(MEAN + group, mean)
    tl.store(VARIANCE + group, squares)


def networks_of(scores: Tensor, boxes: Tensor, others: tuple[Tensor, Tensor] | None = None) -> tuple[Any, ...]:
    """The arguments of `cost_kernel` about one network's predictions, or two networks'."""
    second = (None, 0, 0, 0) * 2
    if others is not None:
        second = (others[0], *others[0].stride(), others[1], *others[1].stride())
    return scores, *scores.stride(), boxes, *boxes.stride(), *second, scores.shape[2]


def cost_of(scores_are: str, alpha: float, gamma: float, generalized: bool, iou_weight: float) -> dict[str, Any]:
    """How `cost_kernel` computes a cost."""
    terms = {"ALPHA": alpha, "GAMMA": gamma, "LOGITS": scores_are == "sigmoid_logits", "WEIGHT": iou_weight}
    return {**terms, "GENERALIZED": generalized, "BLOCK": COST_BLOCK, "CLASSES": CLASSES}


def ends_of(level_sizes: list[int]) -> list[int]:
    """Where the levels end, as the kernels have them."""
    return [sum(level_sizes[: level + 1]) for level in range(LEVELS)]


def lists(
    row: Tensor, cost: Tensor, overlap: Tensor, reason: Tensor, offsets: Tensor, level_sizes: list[int],
    networks: tuple[int, ...], topk: int, spread: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    """Prior, cost and iou `[*networks, G, L, K]`, and count, mean and variance `[*networks, G, L]`, in one launch."""
    rows, levels, (images, n) = reason.shape[0], len(level_sizes), row.shape
    prior = offsets.new_empty(*networks, rows, levels, topk)
    paid = cost.new_empty(*networks, rows, levels, topk)
    iou, count = torch.empty_like(paid), offsets.new_empty(*networks, rows, levels)
    mean = torch.empty_like(count, dtype=torch.float64)
    made = (prior, paid, iou, count, mean, torch.empty_like(mean))
    given, grid = (row, cost, overlap, offsets, n, images, *ends_of(level_sizes)), (rows, levels, *networks)
    rules = {"TOPK": topk, "K": power_of_two(topk), "SPREAD": spread, "NETWORKS": prod(networks), "BLOCK": SCAN}
    launch(list_kernel, grid, cost, *given, *made, reason, warps=4, **rules)
    return made


def candidates(
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
    overlaps: int,
    spread: bool,
    pos_iou: float,
    rescue: int,
    zero_rescues: bool,
    claims_take: bool,
    shared: bool,
    *cost_rules: Any,
) -> tuple[Tensor, ...]:
    """See `labelassign.ops.candidates`."""
    rows, n, images = gt_boxes.shape[0], prior_boxes.shape[-2], offsets.shape[0] - 1
    objects = arranged(prior_boxes, valid, gt_boxes, gt_labels, offsets, ignore, classes)
    # the best overlap of every row, and whether an image has any prior: what the first launch adds up
    sums = gt_labels.new_zeros(rows + images)
    best, reached = sums[:rows], sums[rows:]
    cost, row = gt_boxes.new_empty(images, n), gt_labels.new_empty(images, n, dtype=torch.int32)
    overlap, reason, refused = torch.empty_like(cost), torch.empty_like(gt_labels), gt_labels.new_empty(images)
    rules = {"HAS_VALID": valid is not None, "ZERO": zero_rescues}
    first = {**rules, "ALL_TIES": True, "BLOCK": BLOCK}
    launch(
        best_kernel, (blocks(n, BLOCK), images), scores, *objects, cost, row, best, reached, refused, warps=1, **first
    )
    rules |= {"POS_IOU": pos_iou, "RESCUE": rescue, "TAKE": claims_take, **cost_of(*cost_rules)}
    network, made = networks_of(scores, boxes), (best, reached, cost, row, None, None, overlap, reason, refused)
    launch(cost_kernel, (blocks(n, COST_BLOCK), images), scores, *objects, *network, *made, warps=4, **rules)
    found = lists(row, cost, overlap, reason, objects[4], level_sizes, (), topk, spread)
    none = gt_boxes.new_empty(rows, len(level_sizes), 0)
    return *found[:3], none, *found[3:], reason, refused
