"""Inputs of methods that do not read the workload's anchors: YOLOF's grid, points, and the layers of a decoder."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import box_iou

import labelassign as la
from benchmarks.workloads import Problem
from tests.parity.scenes import CLASSES

LAYERS, QUERIES = 6, 300
_YOLOF = (1, 2, 4, 8, 16)


class Decoder(NamedTuple):
    """Logits `[layers · B, Q, C]` and normalised (cx, cy, w, h) `[layers · B, Q, 4]`, layer after layer."""

    logits: Tensor
    boxes: Tensor


def points(problem: Problem) -> la.Priors:
    """The middle of every cell."""
    sizes = problem.workload.size, problem.workload.strides
    return la.Priors.points(image_size=sizes[0], strides=sizes[1], device=problem.device)


def small_anchors(problem: Problem) -> la.Priors:
    """Anchors one stride wide at the corners of the cells, as torchvision's FCOS has them."""
    sizes = problem.workload.size, problem.workload.strides
    return la.Priors.grid(image_size=sizes[0], strides=sizes[1], scale=1, device=problem.device)


def yolof(problem: Problem) -> tuple[la.Priors, Tensor]:
    """YOLOF's anchors on one level, and predicted boxes `[B, N, 4]`.

    The anchors are off the grid by up to 3 pixels: on it many are equally near to an object, and peers take any.
    """
    g = torch.Generator().manual_seed(5)
    anchors = la.Priors.grid(image_size=problem.workload.size, strides=(32,), scale=_YOLOF).boxes
    anchors = anchors + 3 * torch.rand(anchors.shape, generator=g)
    side, found = (anchors[:, 2:] - anchors[:, :2]).repeat(1, 2), []
    for scene in problem.scenes:
        boxes = anchors + 0.2 * side * torch.randn(anchors.shape, generator=g)
        if len(scene.boxes):
            iou, row = box_iou(anchors, scene.boxes.cpu()).max(1)
            pull = (iou > 0.2)[:, None] * torch.rand(len(anchors), 1, generator=g)
            boxes = boxes + pull * (scene.boxes.cpu()[row] - boxes)
        found.append(boxes)
    return la.Priors.from_boxes(anchors.to(problem.device)), torch.stack(found).to(problem.device)


def normalised(problem: Problem) -> list[Tensor]:
    """The objects of every image as (cx, cy, w, h) in shares of its size."""
    height, width = problem.workload.size
    shares = [scene.boxes / scene.boxes.new_tensor([width, height, width, height]) for scene in problem.scenes]
    return [torch.cat([(b[:, :2] + b[:, 2:]) / 2, b[:, 2:] - b[:, :2]], 1) for b in shares]


def decoder(problem: Problem) -> Decoder:
    """What a half-trained decoder says: four queries in each layer have seen each object."""
    g, shape = torch.Generator().manual_seed(3), (LAYERS * problem.workload.images, QUERIES)
    logits = torch.randn(*shape, CLASSES, generator=g)
    middle, side = torch.rand(*shape, 2, generator=g), 0.02 + 0.5 * torch.rand(*shape, 2, generator=g) ** 2
    boxes = torch.cat([middle, side], -1)
    for i, (scene, wanted) in enumerate(zip(problem.scenes * LAYERS, normalised(problem) * LAYERS, strict=True)):
        count = len(scene.labels)
        sees = torch.arange(min(QUERIES, 4 * count))
        row, labels = sees % max(count, 1), scene.labels.cpu()
        noise = 1 + 0.1 * torch.randn(len(sees), 4, generator=g)
        boxes[i, sees] = wanted.cpu()[row] * noise.clamp(min=0.2)
        logits[i, sees, labels[row]] += 6 * torch.rand(len(sees), generator=g)
    return Decoder(logits.to(problem.device), boxes.to(problem.device))
