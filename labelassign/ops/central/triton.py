"""What the Triton paths of methods of candidates by centres share: who may choose whom, and what that costs.

Tests of places and overlaps are float32 in the order of the reference, costs float64 and rounded once; nothing is
fused. What a prior says whoever asks (`look`) is told once for each prior that some object may choose.
"""
# ruff: noqa: ANN001, ANN201 - Triton's own language: pointers and blocks of numbers, `if` by constants
# pyright: basic, reportOperatorIssue=false, reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

import math
from typing import Any

import triton
import triton.language as tl

from labelassign.ops.candidates.triton import log1p
from labelassign.ops.central.native import POOLS, REGIONS
from labelassign.ops.central.refusals import COSTS, OVERLAPS
from labelassign.ops.match.triton import (
    arranged,
    at_least,
    finite,
    finite_box,
    giou,
    intersection,
    iou,
    load_box,
    usable,
)

BOX, CENTRE, BOTH = (tl.constexpr(REGIONS[name]) for name in ("box", "centre", "both"))
OWN, EVERY = tl.constexpr(POOLS["own"]), tl.constexpr(POOLS["every"])
ALIGNED, SIMOTA, SOFT = (tl.constexpr(COSTS[name]) for name in ("aligned", "simota", "soft"))
GIOU, CIOU = tl.constexpr(OVERLAPS["giou"]), tl.constexpr(OVERLAPS["ciou"])
LOWEST = tl.constexpr(-100.0)  # of a logarithm in binary cross-entropy
LN10 = tl.constexpr(math.log(10.0))
SMALL, SHAPES = tl.constexpr(1e-12), tl.constexpr(4 / math.pi**2)
QUARTER, HALF = tl.constexpr(math.pi / 4), tl.constexpr(math.atan(0.5))  # arctangents of 1 and of 1/2
SOUND, UNSOUND = tl.constexpr(1), tl.constexpr(2)  # 0: nobody may choose the prior


@triton.jit
def wide(NUMBER: tl.constexpr):
    """A number in float64: a bare one may be rounded to float32 first."""
    return tl.full([], NUMBER, tl.float64)


@triton.jit
def meets(
    left, top, right, low, reach, x1, y1, x2, y2,
    REGION: tl.constexpr, MARGIN: tl.constexpr, FLOOR: tl.constexpr, EITHER: tl.constexpr,
):  # fmt: skip
    """Whether the region of a box has any point of these ranges; EITHER: in the box or near the centre is enough."""
    x, y = (x1 + x2) * 0.5, (y1 + y2) * 0.5  # a division would be an approximate one
    if REGION != BOX:
        near = (x - reach < right) & (left < x + reach) & (y - reach < low) & (top < y + reach)
    if REGION != CENTRE:
        if FLOOR > 0.0:
            broad, high = x2 - x1, y2 - y1
            half_x, half_y = at_least(broad, FLOOR) * 0.5, at_least(high, FLOOR) * 0.5
            x1, x2 = tl.where(broad < FLOOR, x - half_x, x1), tl.where(broad < FLOOR, x + half_x, x2)
            y1, y2 = tl.where(high < FLOOR, y - half_y, y1), tl.where(high < FLOOR, y + half_y, y2)
        found = (right - x1 > MARGIN) & (x2 - left > MARGIN) & (low - y1 > MARGIN) & (y2 - top > MARGIN)
        if REGION == BOTH:
            found = (found | near) if EITHER else (found & near)
    else:
        found = near
    return found


@triton.jit
def points_of(PRIORS, STRIDES, image, index, there, stride, RADIUS: tl.constexpr):
    """Centres of priors, their strides (1 without any), and how near a centre must be."""
    x1, y1, x2, y2 = load_box(PRIORS + image.to(tl.int64) * stride + index.to(tl.int64) * 4, 1, there)
    step = tl.full(index.shape, 1.0, tl.float32)
    if STRIDES is not None:
        step = tl.load(STRIDES + index, mask=there, other=1.0)
    return (x1 + x2) * 0.5, (y1 + y2) * 0.5, step, step * RADIUS


@triton.jit
def anybody(
    live, x, y, reach, begin, end, real, BOXES, LABELS, IGNORE, classes,
    REGION: tl.constexpr, POOL: tl.constexpr, MARGIN: tl.constexpr, FLOOR: tl.constexpr,
):  # fmt: skip
    """Which live priors some row may choose."""
    found = live
    if POOL != EVERY:
        # a NaN is nowhere, and may not hide what is elsewhere
        across, down, wide_enough = live & (x == x), live & (y == y), live & (reach == reach)
        left, right = tl.min(tl.where(across, x, float("inf")), 0), tl.max(tl.where(across, x, float("-inf")), 0)
        top, low = tl.min(tl.where(down, y, float("inf")), 0), tl.max(tl.where(down, y, float("-inf")), 0)
        far = tl.max(tl.where(wide_enough, reach, float("-inf")), 0)
        number = tl.where(live, 0, 0)
        for g in range(begin, end):
            x1, y1, x2, y2 = load_box(BOXES + g * 4, 1, True)
            if meets(left, top, right, low, far, x1, y1, x2, y2, REGION, MARGIN, FLOOR, POOL != OWN):
                able = usable(g, x1, y1, x2, y2, LABELS, IGNORE, real, classes)
                hit = meets(x, y, x, y, reach, x1, y1, x2, y2, REGION, MARGIN, FLOOR, POOL != OWN)
                number = tl.where(hit, tl.maximum(number, able), number)
        found = live & (number > 0)
    return found


@triton.jit
def log_rest(log):
    """log(1 - p) from log p <= 0: of the rounding of p, divided out again."""
    p = tl.exp(log)
    tiny, sure = p < 1e-17, p == 1.0
    less = (p - 1.0) * (log / tl.where(tiny | sure, 1.0, tl.log(p)))
    return tl.log(-tl.where(sure, log, tl.where(tiny, -1.0, less)))


@triton.jit
def log_chance(x, LOGITS: tl.constexpr):
    """The logarithm of a probability that is given so or as a logit, float64."""
    if LOGITS:
        found = -(tl.where(x > 0.0, 0.0, -x) + log1p(tl.exp(-tl.abs(x))))
    else:
        found = tl.log(tl.where(x < 0.0, 0.0, tl.where(x > 1.0, 1.0, x)))
    return found


@triton.jit
def logs(x, objectness, LOGITS: tl.constexpr, JOINS: tl.constexpr):
    """Log p and log(1 - p), of the geometric mean with an objectness if it JOINS (its logarithm)."""
    log = log_chance(x, LOGITS)
    if JOINS:
        log = (log + objectness) * 0.5
        rest = log_rest(log)
    elif LOGITS:
        rest = log_chance(-x, True)
    else:
        rest = log_rest(log)
    return log, rest


@triton.jit
def missed(log, rest, KIND: tl.constexpr):
    """What a class that is not the object's adds."""
    found = -tl.where(rest < LOWEST, LOWEST, rest)
    if KIND == SOFT:
        p = tl.exp(log)
        found = found * (p * p)
    return found


@triton.jit
def look(
    member, scores, s2, boxes, p2, OBJECTNESS, place, C,
    KIND: tl.constexpr, LOGITS: tl.constexpr, CLASSES: tl.constexpr,
):  # fmt: skip
    """Whether all that some priors predict is finite, and the sum over all classes as if none were the object's."""
    x1, y1, x2, y2 = load_box(boxes, p2, member)
    sound = finite_box(x1, y1, x2, y2)
    joins = OBJECTNESS is not None and KIND == SIMOTA
    rate = tl.zeros(member.shape, tl.float64)
    if OBJECTNESS is not None:
        given = tl.load(OBJECTNESS + place, mask=member, other=0.0)
        sound = sound & finite(given)
        if KIND == SIMOTA:
            rate = log_chance(given.to(tl.float64), LOGITS)
    total, wrong = tl.zeros(member.shape, tl.float64), tl.zeros(member.shape, tl.int32)
    for begin in range(0, C, CLASSES):
        c = begin + tl.arange(0, CLASSES)
        there = member[:, None] & (c < C)[None, :]
        raw = tl.load(scores[:, None] + c.to(tl.int64)[None, :] * s2, mask=there, other=0.0)
        wrong += tl.sum(tl.where(finite(raw), 0, 1), 1)
        if KIND != ALIGNED:
            log, rest = logs(raw.to(tl.float64), rate[:, None], LOGITS, joins)
            total += tl.sum(tl.where(there, missed(log, rest, KIND), 0.0), 1)
    return sound & (wrong == 0), total


@triton.jit
def price(
    x, u, total, rate, W0: tl.constexpr, W1: tl.constexpr, W2: tl.constexpr,
    KIND: tl.constexpr, LOGITS: tl.constexpr, JOINS: tl.constexpr,
):  # fmt: skip
    """Cost of pairs without any penalty for place, float64; x: the score of the object's own class."""
    y = u.to(tl.float64)
    if KIND == ALIGNED:
        # an exponent of 0 leaves nothing of a factor, even of 0
        found = tl.zeros(y.shape, tl.float64)
        if W0 != 0.0:
            found += log_chance(x, LOGITS) * wide(-W0)
        if W1 != 0.0:
            found += tl.log(y) * wide(-W1)
    else:
        log, rest = logs(x, rate, LOGITS, JOINS)
        found = total - missed(log, rest, KIND)
        log = tl.where(log < LOWEST, LOWEST, log)
        if KIND == SIMOTA:
            found = (found - log) * wide(W0) - tl.log(y + wide(W2)) * wide(W1)
        else:
            entropy, off = -(y * log + (1.0 - y) * tl.where(rest < LOWEST, LOWEST, rest)), y - tl.exp(log)
            found = found + entropy * (off * off) - tl.log(y + wide(W2)) * wide(W0)
    return tl.where(found < 0.0, 0.0, found)


@triton.jit
def angle(across, down):
    """The arctangent of two lengths' ratio in float64, 0 of two of 0; not off by more than 2^-51."""
    longer = tl.where(across > down, across, down)
    t = tl.where(across > down, down, across) / tl.where(longer > 0.0, longer, 1.0)
    # from the nearest of 0, 1/2 and 1, so that the rest is below 1/4 and the series is short
    middle = tl.where(t > 0.75, 1.0, tl.where(t > 0.25, 0.5, 0.0)).to(tl.float64)
    rest = (t - middle) / (t * middle + 1.0)
    square, series = rest * rest, tl.zeros(rest.shape, tl.float64)
    for k in tl.static_range(13):  # pyright: ignore[reportGeneralTypeIssues]
        series = wide(1.0 / (27 - 2 * k)) - series * square
    start = tl.where(t > 0.75, wide(QUARTER), tl.where(t > 0.25, wide(HALF), 0.0))
    found = start + (rest - rest * square * series)
    return tl.where(across > down, wide(2 * QUARTER) - found, found)


@triton.jit
def ciou(ax1, ay1, ax2, ay2, bx1, by1, bx2, by2):
    """Complete IoU: float64 inside, rounded once."""
    ax1, ay1, ax2, ay2 = ax1.to(tl.float64), ay1.to(tl.float64), ax2.to(tl.float64), ay2.to(tl.float64)
    bx1, by1, bx2, by2 = bx1.to(tl.float64), by1.to(tl.float64), bx2.to(tl.float64), by2.to(tl.float64)
    inner = intersection(ax1, ay1, ax2, ay2, bx1, by1, bx2, by2)
    across, down = at_least(ax2 - ax1, 0.0), at_least(ay2 - ay1, 0.0)
    other_across, other_down = at_least(bx2 - bx1, 0.0), at_least(by2 - by1, 0.0)
    plain = inner / at_least(across * down + other_across * other_down - inner, wide(SMALL))
    width = tl.maximum(ax2, bx2) - tl.minimum(ax1, bx1)
    height = tl.maximum(ay2, by2) - tl.minimum(ay1, by1)
    dx, dy = (ax1 + ax2 - bx1 - bx2) * 0.5, (ay1 + ay2 - by1 - by2) * 0.5
    apart = (dx * dx + dy * dy) / at_least(width * width + height * height, wide(SMALL))
    turn = angle(across, down) - angle(other_across, other_down)
    shape = turn * turn * wide(SHAPES)
    share = shape / at_least(shape - plain + 1.0, wide(SMALL))
    return (plain - apart - share * shape).to(tl.float32)


@triton.jit
def overlap_of(ax1, ay1, ax2, ay2, bx1, by1, bx2, by2, OVERLAP: tl.constexpr):
    """The overlap that is asked for; what is below 0 counts as 0."""
    if OVERLAP == GIOU:
        found = giou(ax1, ay1, ax2, ay2, bx1, by1, bx2, by2)
    elif OVERLAP == CIOU:
        found = ciou(ax1, ay1, ax2, ay2, bx1, by1, bx2, by2)
    else:
        found = iou(ax1, ay1, ax2, ay2, bx1, by1, bx2, by2)
    return tl.where(found < 0.0, 0.0, found)


@triton.jit
def pair_costs(
    sound, own, image, index, label, x, y, step, gx1, gy1, gx2, gy2, N,
    SCORES, s0, s1, s2, PREDICTED, p0, p1, p2, OBJECTNESS, TOTAL,
    PENALTY: tl.constexpr, KIND: tl.constexpr, W0: tl.constexpr, W1: tl.constexpr, W2: tl.constexpr,
    OVERLAP: tl.constexpr, LOGITS: tl.constexpr,
):  # fmt: skip
    """What sound pairs are ranked by, +inf where that is no number, and their overlaps; of others +inf and 0."""
    far, near = image.to(tl.int64), index.to(tl.int64)
    bx1, by1, bx2, by2 = load_box(PREDICTED + (far * p0 + near * p1), p2, sound)
    u = overlap_of(bx1, by1, bx2, by2, gx1, gy1, gx2, gy2, OVERLAP)
    sound = sound & finite(u)
    u, cost = tl.where(sound, u, 0.0), tl.full(u.shape, float("inf"), tl.float32)
    worth = sound
    if KIND == ALIGNED and W1 > 0.0:  # an overlap of 0 costs +inf
        worth = sound & (u > 0.0)
    if tl.max(worth.to(tl.int32), 0) > 0:
        place = far * N + near
        score = tl.load(SCORES + (far * s0 + near * s1 + label.to(tl.int64) * s2), mask=worth, other=0.0)
        total, rate = tl.zeros(u.shape, tl.float64), tl.zeros(u.shape, tl.float64)
        if KIND != ALIGNED:
            total = tl.load(TOTAL + place, mask=worth, other=0.0)
        joins = OBJECTNESS is not None and KIND == SIMOTA
        if OBJECTNESS is not None and KIND == SIMOTA:
            rate = log_chance(tl.load(OBJECTNESS + place, mask=worth, other=0.0).to(tl.float64), LOGITS)
        found = price(score.to(tl.float64), u, total, rate, W0, W1, W2, KIND, LOGITS, joins)
        if KIND == SOFT:
            dx = (x - (gx1 + gx2) * 0.5).to(tl.float64)
            dy = (y - (gy1 + gy2) * 0.5).to(tl.float64)
            away = tl.exp((tl.sqrt(dx * dx + dy * dy) / step.to(tl.float64) - wide(W1)) * wide(LN10))
            found += tl.where(away < float("inf"), away, float("inf"))
        if PENALTY != 0.0:
            found += tl.where(own, 0.0, PENALTY).to(tl.float32).to(tl.float64)
        full = found.to(tl.float32)
        cost = tl.where(worth & finite(full), full, float("inf"))
    return cost, u


def network_of(scores: Any, boxes: Any, objectness: Any) -> tuple[Any, ...]:
    """The arguments of a kernel about what a network predicts."""
    return scores, *scores.stride(), boxes, *boxes.stride(), None if objectness is None else objectness.contiguous()


def scene_of(args: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...], dict[str, Any]]:
    """Of an op's first 21 arguments: those about places, those about the network, and the rules."""
    where = (*arranged(args[0], args[1], *args[3:8]), None if args[2] is None else args[2].contiguous())
    region, radius, margin, floor, pool, penalty = args[8:14]
    kind, weights, overlap, form = args[17:21]
    rules = {"REGION": REGIONS[region], "POOL": POOLS[pool], "RADIUS": radius, "MARGIN": margin, "FLOOR": floor}
    rules |= {"PENALTY": penalty, "KIND": COSTS[kind], "OVERLAP": OVERLAPS[overlap], "LOGITS": form == "sigmoid_logits"}
    rules |= dict(zip(("W0", "W1", "W2"), (*weights, 0.0), strict=False))
    return where, network_of(*args[14:17]), {**rules, "HAS_VALID": args[1] is not None}
