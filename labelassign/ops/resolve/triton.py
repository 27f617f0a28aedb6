"""One owner per prior in Triton: the lowest key of all claimants, found by an atomic minimum, then read."""
# ruff: noqa: ANN001, ANN201 - Triton's own language: pointers and blocks of numbers, `if` by constants
# pyright: basic, reportOperatorIssue=false, reportAttributeAccessIssue=false, reportArgumentType=false

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from labelassign.ops.accelerator import blocks, launch
from labelassign.ops.match.triton import best_value, image_of

FINE, REJECTED = tl.constexpr(0), tl.constexpr(2)
NEVER = tl.constexpr(0x7FFFFFFFFFFFFFFF)  # nobody; one less: somebody leaves the prior out of the loss
CHOICES, PRIORS = 64, 512


@triton.jit(do_not_specialize=["M", "B", "N"])
def claim_kernel(PRIOR, STATE, COST, REASON, OFFSETS, M, B, N, KEY, REASONS, BLOCK: tl.constexpr):
    """The choices of one row."""
    row = tl.program_id(0)
    base = image_of(OFFSETS, row, B).to(tl.int64) * N
    had, kept = 0, 0
    for start in range(0, M, BLOCK):
        choice = start + tl.arange(0, BLOCK)
        place = row.to(tl.int64) * M + choice
        prior = tl.load(PRIOR + place, mask=choice < M, other=-1)
        state = tl.load(STATE + place, mask=choice < M, other=0).to(tl.int32)
        there = (prior >= 0) & (prior < N)
        wants = there & (state > 0)
        bits = tl.load(COST + place, mask=wants, other=0.0).to(tl.int32, bitcast=True)
        key = tl.where(wants, (bits.to(tl.int64) << 32) | row.to(tl.int64), NEVER - 1)
        tl.atomic_min(KEY + base + prior, key, mask=wants | (there & (state < 0)), sem="relaxed")
        had = tl.maximum(had, tl.max((prior >= 0).to(tl.int32), 0))
        kept = tl.maximum(kept, tl.max((state > 0).to(tl.int32), 0))
    reason = tl.load(REASON + row).to(tl.int32)
    tl.store(REASONS + row, tl.where(kept > 0, FINE, tl.where(had > 0, REJECTED, reason)).to(tl.int8))


@triton.jit(do_not_specialize=["places"])
def owner_kernel(KEY, QUALITY, places, BLOCK: tl.constexpr):
    """Keys to owners, in place, and the quality that they won with."""
    place = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    key = tl.load(KEY + place, mask=place < places, other=NEVER)
    owned = key < NEVER - 1
    quality = tl.exp(-best_value(key).to(tl.float64)).to(tl.float32)
    tl.store(KEY + place, tl.where(owned, key & 0xFFFFFFFF, tl.where(key == NEVER, -1, -2)), mask=place < places)
    tl.store(QUALITY + place, tl.where(owned, quality, 0.0), mask=place < places)


def resolve(
    prior: Tensor, state: Tensor, cost: Tensor, reason: Tensor, offsets: Tensor, priors: int
) -> tuple[Tensor, Tensor, Tensor]:
    """See `labelassign.ops.resolve`."""
    rows, choices, images = prior.shape[0], prior.shape[1], offsets.shape[0] - 1
    key = prior.new_full((images, priors), torch.iinfo(torch.int64).max)
    quality, reasons = cost.new_empty(images, priors), state.new_empty(rows)
    given = [t.contiguous() for t in (prior, state, cost, reason, offsets)]
    launch(claim_kernel, (rows,), prior, *given, choices, images, priors, key, reasons, warps=1, BLOCK=CHOICES)
    places = images * priors
    launch(owner_kernel, (blocks(places, PRIORS),), prior, key, quality, places, warps=4, BLOCK=PRIORS)
    return key, quality, reasons
