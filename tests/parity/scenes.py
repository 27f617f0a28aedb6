"""Scenes like COCO's at 800 x 1344, with 22,400 priors, and networks that have seen them.

Sizes are log-normal with a few tiny and huge boxes. Coordinates are continuous, so that no two distances or overlaps
are equal by construction; `integer=True` rounds them to whole pixels, where a grid of anchors gives many exact ties.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.ops import box_iou

import labelassign as la

IMAGE = (800, 1344)
STRIDES = (8, 16, 32, 64, 128)
CLASSES = 80
COUNTS = (0, 1, 7, 23, 63, 150)
SEEDS = (0, 1, 2)
CODER = la.DeltaCoder(stds=(0.1, 0.1, 0.2, 0.2), clip_both=True)
_BIAS = -4.595  # log(0.01 / 0.99): what focal heads start from


@dataclass(frozen=True)
class Scene:
    """The objects of one image: boxes `[n, 4]`, labels `[n]`."""

    boxes: Tensor
    labels: Tensor


@dataclass(frozen=True)
class Output:
    """What a dense head gives for one image: logits `[N, C]`, deltas `[N, 4]`."""

    logits: Tensor
    deltas: Tensor


@functools.cache
def priors() -> la.Priors:
    return la.Priors.grid(image_size=IMAGE, strides=STRIDES, scale=8)


@functools.cache
def scene(count: int, seed: int, *, integer: bool = False) -> Scene:
    g = torch.Generator().manual_seed(1000 * seed + count)
    area = torch.exp(4.25 + 1.0 * torch.randn(count, generator=g)).clamp(4, 700)  # side of the square, in pixels
    tilt = torch.exp(0.25 * torch.randn(count, generator=g))
    size = torch.stack([area * tilt, area / tilt], 1)
    if count > 5:  # what a log-normal gives too rarely: smaller than a cell, and nearly the image
        size[0], size[1] = torch.tensor([3.7, 4.3]), torch.tensor([1290.3, 770.9])
    limit = torch.tensor([IMAGE[1], IMAGE[0]])
    size = size.minimum(0.97 * limit)
    corner = torch.rand(count, 2, generator=g) * (limit - size)
    boxes = torch.cat([corner, corner + size], 1)
    if integer:
        boxes = torch.cat([boxes[:, :2].floor(), boxes[:, 2:].ceil()], 1)
    return Scene(boxes, torch.randint(CLASSES, (count,), generator=g))


def scenes(seed: int, counts: tuple[int, ...] = COUNTS, *, integer: bool = False) -> list[Scene]:
    return [scene(count, seed, integer=integer) for count in counts]


def pack(batch: list[Scene]) -> la.GroundTruth:
    return la.GroundTruth.from_list([{"boxes": s.boxes, "labels": s.labels} for s in batch])


@functools.lru_cache(maxsize=12)
def output(count: int, seed: int, network: int = 0, *, integer: bool = False) -> Output:
    """A half-trained network: better where an anchor overlaps an object more; another `network`, another one."""
    here, anchors = scene(count, seed, integer=integer), priors().boxes
    g = torch.Generator().manual_seed(7 * network + 1000 * seed + count)
    logits = _BIAS + 0.8 * torch.randn(len(anchors), CLASSES, generator=g)
    deltas = 0.3 * torch.randn(len(anchors), 4, generator=g)
    if count:
        iou, row = box_iou(anchors, here.boxes).max(1)
        seen = (iou > 0.05).nonzero().squeeze(1)
        iou, row = iou[seen], row[seen]
        boost = 7.0 * iou + 1.2 * torch.randn(len(seen), generator=g)
        logits[seen, here.labels[row]] += boost
        wanted = CODER.encode(la.Priors.from_boxes(anchors[seen]), here.boxes[row])
        reach = (0.55 + 0.4 * iou + 0.1 * torch.randn(len(seen), generator=g))[:, None]
        deltas[seen] = reach * wanted + (1.0 - iou[:, None]) * deltas[seen]
    return Output(logits, deltas)


def untrained() -> Output:
    """The first step of training: one logit everywhere, and boxes that are the anchors."""
    n = priors().count
    return Output(torch.full((n, CLASSES), _BIAS), torch.zeros(n, 4))


def predictions(outputs: list[Output]) -> la.Predictions:
    boxes = [CODER.decode(priors(), each.deltas) for each in outputs]
    return la.Predictions(torch.stack(boxes), torch.stack([each.logits for each in outputs]))


def image_rows(assignment: la.Assignment) -> Tensor:
    """`gt_index` with rows counted inside their image, as peers do `[B, N]`; codes stay."""
    index = assignment.gt_index
    return torch.where(index >= 0, index - assignment.offsets[:-1, None], index)


def assert_same(ours: Tensor, theirs: Tensor, what: str) -> None:
    """Both `[N]` in our codes; name the first priors that differ."""
    assert ours.shape == theirs.shape, f"{what}: {tuple(ours.shape)} but {tuple(theirs.shape)} there"
    at = (ours != theirs).nonzero().squeeze(1)
    shown = [(int(p), int(ours[p]), int(theirs[p])) for p in at[:5]]
    assert not len(at), f"{what}: {len(at)} priors differ; (prior, ours, theirs): {shown}"
