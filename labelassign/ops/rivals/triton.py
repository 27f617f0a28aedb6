"""Co-learning over probabilistic anchor assignment in three launches before the choice and one after it.

The first is `meet_kernel`, which answers nothing yet; the others are those of the candidates with one more axis of the
grid, two networks: both read what the first has found, and only programs of the first network tell who may choose.
`grant_kernel` has programs of two kinds: one per row, for the priors in the lists that were chosen for it, the others
for the rest of a block of priors. A prior is in the lists of one row at most, so no program writes what another does.
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
from labelassign.ops.candidates.triton import COST_BLOCK, cost_kernel, cost_of, lists, networks_of
from labelassign.ops.match.triton import arranged, image_of, rows_of
from labelassign.ops.mixture.triton import ordered, rules_of, settled
from labelassign.ops.paa.triton import MEETING, conclude, meet_kernel, write

# the sizes up to which no target spills registers
GRANTING = {"warps": 8, "BLOCK": 256}


@triton.jit
def list_of(CHOSEN, row, level, there, c0, c1, G, levels):
    """Number of the list that counts for a row and level: the second network's come after the first one's."""
    other = tl.load(CHOSEN + (row * c0 + level * c1), mask=there, other=0) != 0
    return (tl.where(other, G, 0) + row).to(tl.int64) * levels + level


@triton.jit(do_not_specialize=["classes", "N", "G", "B", "stride", "spans", "levels", "c0", "c1", "max_steps"])
def grant_kernel(
    PRIORS, VALID, BOXES, LABELS, OFFSETS, IGNORE, classes, N, G, B, stride,
    spans, CHOSEN, c0, c1, levels, PRIOR, COST, CHOOSER, GIVEN, max_steps,
    INDEX, QUALITY, SOFT, CLS_WEIGHT, LOC_WEIGHT, REASON, STEPS, CONVERGED,
    TOPK: tl.constexpr, CHOICES: tl.constexpr,
    TOL: tl.constexpr, REG: tl.constexpr, NORMALIZE: tl.constexpr, DATA_VARIANCE: tl.constexpr,
    SCHEME: tl.constexpr, SINGLE_STAYS: tl.constexpr, ALL_IF_EMPTY: tl.constexpr, INTERLEAVED: tl.constexpr,
    SHARE: tl.constexpr, HAS_VALID: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """What becomes of the priors in the chosen lists of a row; or of those of a block that are in none."""
    number = tl.program_id(0)
    real = tl.load(OFFSETS + B)
    if number < G:
        image, slot = image_of(OFFSETS, number, B), tl.arange(0, CHOICES)
        begin, end = rows_of(OFFSETS, image, B, G)
        level, there = slot // TOPK, slot < levels * TOPK
        place = list_of(CHOSEN, number, level, there, c0, c1, G, levels) * TOPK + slot % TOPK
        prior = tl.load(PRIOR + place, mask=there, other=-1)
        cost = tl.load(COST + place, mask=there, other=float("inf"))
        key, inside = ordered(cost, slot)
        state, steps, close = settled(
            key, cost, inside, max_steps, TOL, REG, NORMALIZE, DATA_VARIANCE,
            SCHEME, SINGLE_STAYS, ALL_IF_EMPTY, INTERLEAVED, CHOICES,
        )  # fmt: skip
        owner = tl.where(state > 0, number, tl.where(state < 0, -2, -1)).to(tl.int64)
        quality = tl.where(state > 0, tl.exp(-cost.to(tl.float64)), 0.0).to(tl.float32)
        write(
            owner, quality, image, prior, (prior >= 0) & (prior < N), PRIORS, VALID, BOXES, LABELS, IGNORE, N, begin,
            end, real, stride, INDEX, QUALITY, SOFT, CLS_WEIGHT, LOC_WEIGHT, SHARE, HAS_VALID, CHOICES,
        )  # fmt: skip
        conclude(
            number, tl.load(GIVEN + number).to(tl.int32), tl.max((prior >= 0).to(tl.int32), 0), state, steps, close,
            BOXES, LABELS, IGNORE, real, classes, REASON, STEPS, CONVERGED,
        )  # fmt: skip
    else:
        image, block = (number - G) // spans, (number - G) % spans
        index = block * BLOCK + tl.arange(0, BLOCK)
        begin, end = rows_of(OFFSETS, image, B, G)
        row = tl.load(CHOOSER + (image.to(tl.int64) * N + index), mask=index < N, other=-1)
        wanted = (row >= 0) & (row < G)
        rest = index < N
        if tl.max(wanted.to(tl.int32), 0) > 0:
            for level in range(levels):
                place = list_of(CHOSEN, row, level, wanted, c0, c1, G, levels) * TOPK
                for k in range(TOPK):
                    rest = rest & (tl.load(PRIOR + place + k, mask=wanted, other=-1) != index)
        write(
            tl.full([BLOCK], -1, tl.int64), tl.zeros([BLOCK], tl.float32), image, index, rest, PRIORS, VALID, BOXES,
            LABELS, IGNORE, N, begin, end, real, stride, INDEX, QUALITY, SOFT, CLS_WEIGHT, LOC_WEIGHT,
            SHARE, HAS_VALID, BLOCK,
        )  # fmt: skip


def rivals(
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    scores: Tensor,
    boxes: Tensor,
    other_scores: Tensor,
    other_boxes: Tensor,
    level_sizes: list[int],
    topk: int,
    pos_iou: float,
    rescue: int,
    zero_rescues: bool,
    claims_take: bool,
    shared: bool,
    other_scores_are: str,
    *cost_rules: Any,
) -> tuple[Tensor, ...]:
    """See `labelassign.ops.rivals`."""
    rows, n, images = gt_boxes.shape[0], prior_boxes.shape[-2], offsets.shape[0] - 1
    where = arranged(prior_boxes, valid, gt_boxes, gt_labels, offsets, ignore, classes)
    highest, argmax = gt_boxes.new_empty(images, n), gt_labels.new_empty(images, n, dtype=torch.int32)
    best, reason = gt_labels.new_empty(rows), gt_labels.new_empty(rows)
    cost, chooser, refused = gt_boxes.new_empty(2, images, n), torch.empty_like(argmax), gt_labels.new_empty(2, images)
    overlap, spans = torch.empty_like(cost), blocks(n, MEETING["BLOCK"])
    # first the best overlaps
    rules = {"POS_IOU": pos_iou, "RESCUE": rescue, "ZERO": zero_rescues, "HAS_VALID": valid is not None}
    made, meeting = (highest, argmax, best, reason, refused, *(None,) * 5), {"SHARE": -1.0, "NETWORKS": 2, **MEETING}
    launch(meet_kernel, (rows + images * spans,), scores, *where, spans, *made, **rules, **meeting)
    # then who may choose each prior, at what cost under each network
    network = networks_of(scores, boxes, (other_scores, other_boxes))
    made = (best, None, highest, argmax, chooser, cost, overlap, None, refused)
    rules |= {"TAKE": claims_take, **cost_of(*cost_rules)}
    launch(cost_kernel, (blocks(n, COST_BLOCK), images, 2), scores, *where, *network, *made, warps=4, **rules)
    # then the lists
    return *lists(chooser, cost, overlap, reason, where[4], level_sizes, (2,), topk, True), reason, refused, chooser


def award(
    chosen: Tensor,
    prior: Tensor,
    cost: Tensor,
    chooser: Tensor,
    reason: Tensor,
    prior_boxes: Tensor,
    valid: Tensor | None,
    gt_boxes: Tensor,
    gt_labels: Tensor,
    offsets: Tensor,
    ignore: Tensor,
    classes: int,
    tol: float,
    max_steps: int,
    *rest: Any,
) -> tuple[Tensor, ...]:
    """See `labelassign.ops.rivals.award`."""
    rows, n, images, (levels, topk) = gt_boxes.shape[0], prior_boxes.shape[-2], offsets.shape[0] - 1, prior.shape[2:]
    where = arranged(prior_boxes, valid, gt_boxes, gt_labels, offsets, ignore, classes)
    # by its strides: a choice for the whole batch is one number seen everywhere
    choice = (chosen, *chosen.stride(), levels, *(t.contiguous() for t in (prior, cost, chooser, reason)), max_steps)
    index, quality = gt_labels.new_empty(images, n), gt_boxes.new_empty(images, n)
    answer = (index, quality, *(torch.empty_like(quality) for _ in range(3)))
    final, steps = gt_labels.new_empty(rows, dtype=torch.int8), torch.empty_like(gt_labels)
    converged, spans = gt_labels.new_empty(rows, dtype=torch.bool), blocks(n, GRANTING["BLOCK"])
    rules = {**rules_of(tol, *rest[:-1]), "SHARE": rest[-1], "HAS_VALID": valid is not None, **GRANTING}
    rules |= {"TOPK": topk, "CHOICES": power_of_two(levels * topk, 32)}
    made, grid = (*answer, final, steps, converged.view(torch.int8)), (rows + images * spans,)
    launch(grant_kernel, grid, prior, *where, spans, *choice, *made, **rules)
    return *answer, final, steps, converged
