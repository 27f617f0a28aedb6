"""Methods of candidates by centres in four Triton launches; nothing else runs on the device.

`look_kernel` has programs of blocks of priors: may anybody choose them, and what do they say whoever asks.
`bid_kernel` has one program per row, which keeps its cheapest priors, decides how many of them, and bids for those by
atomic minima. `contest_kernel` has blocks of priors again, once all bids are known: the owner, what it pays, and by
atomic operations the best that every row has got. `finish_kernel` needs those: soft targets, regions, weights, reasons.
Minima, maxima and counts of whole numbers: the order of programs changes no bit.
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
from labelassign.ops.blocks import ONE_BITS
from labelassign.ops.candidates.triton import NEVER, NO_CANDIDATE, REJECTED, cost_key, keep_least
from labelassign.ops.central.triton import (
    OWN,
    SOUND,
    UNSOUND,
    anybody,
    look,
    meets,
    overlap_of,
    pair_costs,
    points_of,
    scene_of,
    wide,
)
from labelassign.ops.complete.triton import FINE, LOST, barred, finish, hide
from labelassign.ops.match.triton import best_value, image_of, load_box, rows_of, usable

DECIDE = {"listed": 0, "inside": 1, "dynamic": 2}
INSIDE, DYNAMIC = tl.constexpr(DECIDE["inside"]), tl.constexpr(DECIDE["dynamic"])
CLAIMANTS, OWNERS, EVERYBODY = tl.constexpr(0), tl.constexpr(1), tl.constexpr(2)  # whom a prior is fought for among
ONE, ONES = tl.constexpr(ONE_BITS), tl.constexpr(0x7FFFFFFF)

# the sizes up to which no target spills registers
LOOKING = {"warps": 4, "BLOCK": 32, "CLASSES": 8}
BIDDING, SUMMING = {"warps": 8, "SCAN": 512}, {"warps": 8, "SCAN": 1024}
FIGHTING = {"BLOCK": 128}
FINISHING = {"warps": 4, "BLOCK": 128}


@triton.jit(do_not_specialize=["classes", "N", "G", "B", "stride", "s0", "s1", "s2", "p0", "p1", "p2", "C"])
def look_kernel(
    PRIORS, VALID, BOXES, LABELS, OFFSETS, IGNORE, classes, N, G, B, stride, STRIDES,
    SCORES, s0, s1, s2, PREDICTED, p0, p1, p2, OBJECTNESS, C, SEEN, TOTAL, KEY, CLAIMS, REFUSED,
    REGION: tl.constexpr, POOL: tl.constexpr, RADIUS: tl.constexpr, MARGIN: tl.constexpr, FLOOR: tl.constexpr,
    KIND: tl.constexpr, LOGITS: tl.constexpr, HAS_VALID: tl.constexpr, BLOCK: tl.constexpr, CLASSES: tl.constexpr,
):  # fmt: skip
    """What is known of a block of priors before anybody asks, and nobody's bids."""
    block, image = tl.program_id(0), tl.program_id(1)
    index = block * BLOCK + tl.arange(0, BLOCK)
    place, live = image.to(tl.int64) * N + index, index < N
    begin, end = rows_of(OFFSETS, image, B, G)
    x, y, _, reach = points_of(PRIORS, STRIDES, image, index, live, stride, RADIUS)
    if HAS_VALID:
        live = live & (tl.load(VALID + place, mask=live, other=0) != 0)
    member = anybody(
        live, x, y, reach, begin, end, tl.load(OFFSETS + B), BOXES, LABELS, IGNORE, classes,
        REGION, POOL, MARGIN, FLOOR,
    )  # fmt: skip
    seen = tl.zeros([BLOCK], tl.int32)
    if tl.max(member.to(tl.int32), 0) > 0:
        far, near = image.to(tl.int64), index.to(tl.int64)
        sound, total = look(
            member, SCORES + (far * s0 + near * s1), s2, PREDICTED + (far * p0 + near * p1), p2, OBJECTNESS, place, C,
            KIND, LOGITS, CLASSES,
        )  # fmt: skip
        seen = tl.where(member, tl.where(sound, SOUND, UNSOUND), 0)
        if TOTAL is not None:
            tl.store(TOTAL + place, total, mask=member)
    tl.store(SEEN + place, seen.to(tl.int8), mask=index < N)
    tl.store(KEY + place, tl.full([BLOCK], NEVER, tl.int64), mask=index < N)
    if CLAIMS is not None:
        tl.store(CLAIMS + place, tl.zeros([BLOCK], tl.int64), mask=index < N)
    if block == 0:
        tl.store(REFUSED + image, 0)


@triton.jit
def bid_of(cost, u, row, BY_IOU: tl.constexpr):
    """The lowest wins: the cost, or how far the bits of an overlap are from those of 1; then the row."""
    bits = cost.to(tl.int32, bitcast=True)
    if BY_IOU:
        beyond = u.to(tl.int32, bitcast=True) - ONE
        bits = tl.where(beyond > 0, 0, -beyond)
    return (bits.to(tl.int64) << 32) | row


@triton.jit
def how_many(most, slot, TOPK: tl.constexpr):
    """As many as the largest overlaps sum up to, one at least."""
    overlap = ((most >> 32).to(tl.int32) ^ ONES).to(tl.float32, bitcast=True).to(tl.float64)
    found = tl.sum(tl.where((slot < TOPK) & (most < NEVER - TOPK), overlap, 0.0), 0)
    return tl.maximum(tl.minimum(found, TOPK).to(tl.int32), 1)


@triton.jit(do_not_specialize=["classes", "N", "G", "B", "stride", "s0", "s1", "s2", "p0", "p1", "p2", "C"])
def bid_kernel(
    PRIORS, VALID, BOXES, LABELS, OFFSETS, IGNORE, classes, N, G, B, stride, STRIDES,
    SCORES, s0, s1, s2, PREDICTED, p0, p1, p2, OBJECTNESS, C, SEEN, TOTAL, KEY, CLAIMS, REFUSED, BEST, REASON,
    REGION: tl.constexpr, POOL: tl.constexpr, RADIUS: tl.constexpr, MARGIN: tl.constexpr, FLOOR: tl.constexpr,
    PENALTY: tl.constexpr, KIND: tl.constexpr, W0: tl.constexpr, W1: tl.constexpr, W2: tl.constexpr,
    OVERLAP: tl.constexpr, LOGITS: tl.constexpr, TOPK: tl.constexpr, K: tl.constexpr,
    DECIDE: tl.constexpr, BY_IOU: tl.constexpr, SCAN: tl.constexpr,
):  # fmt: skip
    """The cheapest priors of one row, and its bids for those that it keeps."""
    row = tl.program_id(0)
    image = image_of(OFFSETS, row, B)
    base = image.to(tl.int64) * N
    gx1, gy1, gx2, gy2 = load_box(BOXES + row * 4, 1, True)
    able = usable(row, gx1, gy1, gx2, gy2, LABELS, IGNORE, tl.load(OFFSETS + B), classes)
    label = tl.minimum(tl.maximum(tl.load(LABELS + row), 0), C - 1)
    slot = tl.arange(0, K)
    # the places to fill hold keys above all real ones, those beyond TOPK one below them
    best = tl.where(slot < TOPK, NEVER - 1 - slot.to(tl.int64), -1)
    most, worst, least = best, tl.max(best, 0), tl.max(best, 0)
    had, refused = 0, 0
    for start in range(0, tl.where(able > 0, N, 0), SCAN):
        index = start + tl.arange(0, SCAN)
        seen = tl.load(SEEN + base + index, mask=index < N, other=0)
        if tl.max(seen.to(tl.int32), 0) > 0:
            x, y, step, reach = points_of(PRIORS, STRIDES, image, index, seen > 0, stride, RADIUS)
            own = meets(x, y, x, y, reach, gx1, gy1, gx2, gy2, REGION, MARGIN, FLOOR, False)
            there = seen > 0
            if POOL == OWN:
                there = there & own
            pairs = tl.sum(there.to(tl.int32), 0)
            if pairs > 0:
                sound = there & (seen == SOUND)
                had, refused = 1, refused + pairs - tl.sum(sound.to(tl.int32), 0)
                cost, u = pair_costs(
                    sound, own, image, index, label, x, y, step, gx1, gy1, gx2, gy2, N,
                    SCORES, s0, s1, s2, PREDICTED, p0, p1, p2, OBJECTNESS, TOTAL,
                    PENALTY, KIND, W0, W1, W2, OVERLAP, LOGITS,
                )  # fmt: skip
                best, worst = keep_least(best, worst, slot < TOPK, cost_key(cost, index))
                if DECIDE == DYNAMIC:
                    largest = ((u.to(tl.int32, bitcast=True) ^ ONES).to(tl.int64) << 32) | index.to(tl.int64)
                    most, least = keep_least(most, least, slot < TOPK, tl.where(u > 0.0, largest, NEVER))
    kept = (slot < TOPK) & (best < NEVER - K)
    prior = tl.where(kept, best & 0xFFFFFFFF, 0).to(tl.int32)
    if DECIDE == DYNAMIC:
        smaller = (best[None, :] < best[:, None]) & (slot < TOPK)[None, :]
        kept = kept & (tl.sum(smaller.to(tl.int32), 1) < how_many(most, slot, TOPK))
    if DECIDE == INSIDE:
        x, y, _, _ = points_of(PRIORS, None, image, prior, kept, stride, 0.0)
        kept = kept & meets(x, y, x, y, 0.0, gx1, gy1, gx2, gy2, 0, MARGIN, FLOOR, False)
    u = tl.zeros([K], tl.float32)
    if BY_IOU:
        at = PREDICTED + (image.to(tl.int64) * p0 + prior.to(tl.int64) * p1)
        bx1, by1, bx2, by2 = load_box(at, p2, kept)
        u = overlap_of(bx1, by1, bx2, by2, gx1, gy1, gx2, gy2, OVERLAP)
    tl.atomic_min(KEY + base + prior, bid_of(best_value(best), u, row, BY_IOU), mask=kept, sem="relaxed")
    if CLAIMS is not None:
        tl.atomic_add(CLAIMS + base + prior, kept.to(tl.int64), mask=kept, sem="relaxed")
    if refused > 0:
        tl.atomic_add(REFUSED + image, refused, sem="relaxed")
    tl.store(BEST + row, NEVER)
    tl.store(BEST + G + row, 0)
    reason = tl.where(tl.max(kept.to(tl.int32), 0) > 0, FINE, tl.where(had > 0, REJECTED, NO_CANDIDATE))
    tl.store(REASON + row, reason.to(tl.int8))


@triton.jit(do_not_specialize=["classes", "N", "G", "B", "stride", "s0", "s1", "s2", "p0", "p1", "p2", "C"])
def contest_kernel(
    PRIORS, VALID, BOXES, LABELS, OFFSETS, IGNORE, classes, N, G, B, stride, STRIDES,
    SCORES, s0, s1, s2, PREDICTED, p0, p1, p2, OBJECTNESS, C, SEEN, TOTAL, KEY, CLAIMS, BEST, INDEX, PAID, WON,
    REGION: tl.constexpr, RADIUS: tl.constexpr, MARGIN: tl.constexpr, FLOOR: tl.constexpr,
    PENALTY: tl.constexpr, KIND: tl.constexpr, W0: tl.constexpr, W1: tl.constexpr, W2: tl.constexpr,
    OVERLAP: tl.constexpr, LOGITS: tl.constexpr, BY_IOU: tl.constexpr, AGAINST: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Owners of a block of priors, what they pay and the overlap; least cost and highest overlap of every row."""
    block, image = tl.program_id(0), tl.program_id(1)
    index = block * BLOCK + tl.arange(0, BLOCK)
    place = image.to(tl.int64) * N + index
    key = tl.load(KEY + place, mask=index < N, other=NEVER)
    paid, won = tl.full([BLOCK], float("inf"), tl.float32), tl.zeros([BLOCK], tl.float32)
    if tl.min(key, 0) < NEVER:
        x, y, step, reach = points_of(PRIORS, STRIDES, image, index, key < NEVER, stride, RADIUS)
        sound = (key < NEVER) & (tl.load(SEEN + place, mask=index < N, other=0) == SOUND)
        if AGAINST != CLAIMANTS:
            contested = sound & (tl.load(CLAIMS + place, mask=index < N, other=0) > 1)
            if tl.max(contested.to(tl.int32), 0) > 0:
                begin, end = rows_of(OFFSETS, image, B, G)
                real, bid = tl.load(OFFSETS + B), tl.full([BLOCK], NEVER, tl.int64)
                for g in range(begin, end):
                    gx1, gy1, gx2, gy2 = load_box(BOXES + g * 4, 1, True)
                    own = meets(x, y, x, y, reach, gx1, gy1, gx2, gy2, REGION, MARGIN, FLOOR, False)
                    there = contested & (usable(g, gx1, gy1, gx2, gy2, LABELS, IGNORE, real, classes) > 0)
                    if AGAINST == OWNERS:
                        there = there & own
                    if tl.max(there.to(tl.int32), 0) > 0:
                        label = tl.minimum(tl.maximum(tl.load(LABELS + g), 0), C - 1)
                        cost, u = pair_costs(
                            there, own, image, index, label, x, y, step, gx1, gy1, gx2, gy2, N,
                            SCORES, s0, s1, s2, PREDICTED, p0, p1, p2, OBJECTNESS, TOTAL,
                            PENALTY, KIND, W0, W1, W2, OVERLAP, LOGITS,
                        )  # fmt: skip
                        fresh = tl.where(cost < float("inf"), bid_of(cost, u, g, BY_IOU), NEVER)
                        bid = tl.where(fresh < bid, fresh, bid)
                key = tl.where(bid < NEVER, bid, key)
        owner = tl.where(key < NEVER, key & 0xFFFFFFFF, 0).to(tl.int32)
        gx1, gy1, gx2, gy2 = load_box(BOXES + owner.to(tl.int64) * 4, 1, sound)
        own = meets(x, y, x, y, reach, gx1, gy1, gx2, gy2, REGION, MARGIN, FLOOR, False)
        label = tl.load(LABELS + owner, mask=sound, other=0)
        label = tl.where(label < 0, 0, tl.where(label < C, label, C - 1))
        paid, won = pair_costs(
            sound, own, image, index, label, x, y, step, gx1, gy1, gx2, gy2, N,
            SCORES, s0, s1, s2, PREDICTED, p0, p1, p2, OBJECTNESS, TOTAL,
            PENALTY, KIND, W0, W1, W2, OVERLAP, LOGITS,
        )  # fmt: skip
        least = paid.to(tl.int32, bitcast=True).to(tl.int64)
        tl.atomic_min(BEST + owner, least, mask=sound, sem="relaxed")
        most = won.to(tl.int32, bitcast=True).to(tl.int64)
        tl.atomic_max(BEST + G + owner, most, mask=sound, sem="relaxed")
    tl.store(INDEX + place, tl.where(key < NEVER, key & 0xFFFFFFFF, -1), mask=index < N)
    tl.store(PAID + place, paid, mask=index < N)
    tl.store(WON + place, won, mask=index < N)


@triton.jit(do_not_specialize=["classes", "N", "G", "B", "stride", "spans"])
def finish_kernel(
    PRIORS, VALID, BOXES, LABELS, OFFSETS, IGNORE, classes, N, G, B, stride, STRIDES, spans, BEST,
    INDEX, QUALITY, SOFT, CLS_WEIGHT, LOC_WEIGHT, REASON,
    SHARES: tl.constexpr, EPS: tl.constexpr, SHARE: tl.constexpr, HAS_VALID: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The final reason of a row; or the answer of a block of priors, of which QUALITY holds what is paid."""
    number = tl.program_id(0)
    real = tl.load(OFFSETS + B)
    if number < G:
        reason = tl.load(REASON + number).to(tl.int32)
        reason = tl.where(tl.load(BEST + number) < NEVER, FINE, tl.where(reason == FINE, LOST, reason))
        tl.store(REASON + number, barred(number, reason, BOXES, LABELS, IGNORE, real, classes).to(tl.int8))
    else:
        image, block = (number - G) // spans, (number - G) % spans
        index = block * BLOCK + tl.arange(0, BLOCK)
        place = image.to(tl.int64) * N + index
        owner = tl.load(INDEX + place, mask=index < N, other=-1)
        paid = tl.load(QUALITY + place, mask=index < N, other=float("inf")).to(tl.float64)
        soft = tl.load(SOFT + place, mask=index < N, other=0.0)
        if SHARES:
            first = tl.load(BEST + owner, mask=owner >= 0, other=0).to(tl.int32).to(tl.float32, bitcast=True)
            most = tl.load(BEST + G + owner, mask=owner >= 0, other=0).to(tl.int32).to(tl.float32, bitcast=True)
            first = first.to(tl.float64)
            share = tl.exp(tl.where(owner >= 0, first - paid, 0.0))
            if EPS != 0.0:
                share = share / (1.0 + tl.exp(first) * wide(EPS))
            soft = (share * most.to(tl.float64)).to(tl.float32)
        tl.store(QUALITY + place, tl.exp(-paid).to(tl.float32), mask=index < N)
        if SHARE >= 0.0:
            begin, end = rows_of(OFFSETS, image, B, G)
            x1, y1, x2, y2 = load_box(PRIORS + image.to(tl.int64) * stride + index.to(tl.int64) * 4, 1, index < N)
            owner = hide(owner, x1, y1, x2, y2, begin, end, real, BOXES, LABELS, IGNORE, SHARE, BLOCK)
        finish(owner, place, index < N, soft, VALID, INDEX, SOFT, CLS_WEIGHT, LOC_WEIGHT, HAS_VALID)


def _some(rules: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: rules[name] for name in names}


PLACES = ("REGION", "RADIUS", "MARGIN", "FLOOR")
PAIRS = (*PLACES, "PENALTY", "KIND", "W0", "W1", "W2", "OVERLAP", "LOGITS")


def central_answer(*args: Any) -> tuple[Tensor, ...]:
    """See `labelassign.ops.central_answer`."""
    topk, decide, by, against, shares, eps, share = args[21:]
    where, network, rules = scene_of(args)
    gt_boxes, gt_labels, scores = args[3], args[4], args[14]
    n, rows, images = where[7:10]
    key, index = (gt_labels.new_empty(images, n) for _ in range(2))
    claims = None if against == "claimants" else torch.empty_like(key)
    seen, best = gt_labels.new_empty(images, n, dtype=torch.int8), gt_labels.new_empty(2, rows)
    total = None if args[17] == "aligned" else torch.empty_like(key, dtype=torch.float64)
    quality, soft, cls_weight, loc_weight = (gt_boxes.new_empty(images, n) for _ in range(4))
    reason, refused = gt_labels.new_empty(rows, dtype=torch.int8), gt_labels.new_empty(images)
    given, known = (*where, *network, scores.shape[2]), (seen, total, key, claims)
    chosen = _some(rules, *PLACES, "POOL", "KIND", "LOGITS", "HAS_VALID")
    launch(look_kernel, (blocks(n, LOOKING["BLOCK"]), images), scores, *given, *known, refused, **chosen, **LOOKING)
    chosen = {**_some(rules, *PAIRS, "POOL"), "TOPK": topk, "K": power_of_two(topk), "DECIDE": DECIDE[decide]}
    made = (refused, best, reason)
    chosen |= {"BY_IOU": by == "iou", **(BIDDING if total is None else SUMMING)}
    launch(bid_kernel, (rows,), scores, *given, *known, *made, **chosen)
    owners = {"claimants": CLAIMANTS, "all": OWNERS if args[12] == "own" else EVERYBODY, "every": EVERYBODY}[against]
    chosen = {**_some(rules, *PAIRS), "BY_IOU": by == "iou", "AGAINST": owners.value}
    made, grid = (best, index, quality, soft), (blocks(n, FIGHTING["BLOCK"]), images)
    warps = 4 if args[19] == "ciou" else 2
    launch(contest_kernel, grid, scores, *given, *known, *made, warps=warps, **chosen, **FIGHTING)
    spans, answer = blocks(n, FINISHING["BLOCK"]), (index, quality, soft, cls_weight, loc_weight)
    chosen = {"SHARES": shares, "EPS": eps, "SHARE": share, "HAS_VALID": rules["HAS_VALID"]}
    grid = (rows + images * spans,)
    launch(finish_kernel, grid, scores, *where, spans, best, *answer, reason, **chosen, **FINISHING)
    return *answer, reason, refused
