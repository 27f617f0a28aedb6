"""The plain torch reference of labelassign, batched, against mmdet 3.3.0 on the same scenes in one process.

mmdet works image by image. Its arm starts from anchors, objects and (PAA) the head's raw outputs, and ends with its own
assignment; ours starts from the same tensors, decodes every box where mmdet decodes those of candidates, and ends with
an `Assignment`. Both run without gradient, which favours mmdet: in training it computes the cost of PAA with one.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor

import labelassign as la
from benchmarks import timing
from tests.parity import mmdet_peers, paa_head
from tests.parity.scenes import CODER, Output, Scene, image_rows, output, pack, priors, scene

Arms = tuple[Callable[[], la.Assignment], Callable[[], list[Tensor]]]


@dataclass(frozen=True)
class Case:
    """One comparison: two arms that answer the same question about the same scenes."""

    method: str
    objects: int
    images: int
    ours: Callable[[], la.Assignment]
    theirs: Callable[[], list[Tensor]]

    def differing(self) -> int:
        """Priors whose object differs between the arms, mmdet's as shipped (its mixture takes float32 costs)."""
        mine, peers = image_rows(self.ours()), self.theirs()
        return sum(int((a != b).sum()) for a, b in zip(mine, peers, strict=True))


def _scenes(count: int, images: int) -> list[Scene]:
    return [scene(count, seed) for seed in range(images)]


def _geometric(assigner: la.Assigner, peer: Callable[[Any], Any], count: int, images: int) -> Arms:
    batch, grid = _scenes(count, images), priors()
    gt, ready = pack(batch), [mmdet_peers.instances(s) for s in batch]
    return lambda: assigner(grid, gt), lambda: [mmdet_peers.from_gt_inds(peer(each).gt_inds) for each in ready]


def _max_iou(count: int, images: int) -> Arms:
    peer = mmdet_peers.assigner("MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0.0)
    anchors = mmdet_peers.as_priors(priors().boxes)
    return _geometric(la.MaxIoU.mmdet_retinanet(), lambda each: peer.assign(anchors, each), count, images)


def _atss(count: int, images: int) -> Arms:
    peer, sizes = mmdet_peers.assigner("ATSSAssigner", topk=9), list(priors().level_sizes)
    anchors = mmdet_peers.as_priors(priors().boxes)
    return _geometric(la.ATSS.mmdet(), lambda each: peer.assign(anchors, sizes, each), count, images)


def _paa(count: int, images: int) -> Arms:
    batch, outputs = _scenes(count, images), [output(count, seed) for seed in range(images)]
    gt, grid, assigner = pack(batch), priors(), la.PAA.mmdet()
    logits, deltas = torch.stack([o.logits for o in outputs]), torch.stack([o.deltas for o in outputs])
    ready, (anchors, valid) = [mmdet_peers.instances(s) for s in batch], paa_head.anchors(images)

    def theirs() -> list[Tensor]:
        answers = []
        for i, targets in enumerate(paa_head.targets(anchors, valid, ready)):
            costs = paa_head.own_costs(targets, Output(logits[i], deltas[i]))
            answers.append(paa_head.reassign(targets, costs))
        return answers

    return lambda: assigner(grid, gt, la.Predictions(CODER.decode(grid, deltas), logits)), theirs


_ARMS = {"PAA": (_paa, (20, 60)), "ATSS": (_atss, (20, 100)), "MaxIoU": (_max_iou, (20, 100))}


def cases(only: str = "") -> Iterator[Case]:
    """The comparisons whose name contains `only`; made one by one, for a batch of outputs is large."""
    for method, (arms, counts) in _ARMS.items():
        for count, images in itertools.product(counts, (1, 4)):
            name = f"{method}, {count} objects, batch {images}"
            if only.lower() in name.lower():
                yield Case(method, count, images, *arms(count, images))


def run(rounds: int, only: str = "") -> list[timing.Row]:
    """Check and time every case; a case whose check is red has no times."""
    rows = []
    with torch.no_grad(), mock.patch.dict(os.environ, LABELASSIGN_PATH="reference"):
        for case in cases(only):
            differing = case.differing()
            times = {} if differing else timing.interleaved({"ours": case.ours, "mmdet": case.theirs}, rounds)
            rows.append(timing.Row(case.method, case.objects, case.images, differing, times))
    return rows
