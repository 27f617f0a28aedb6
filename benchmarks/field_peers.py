"""Peers of the methods beside PAA, MaxIoU and ATSS: their own code, at its best as in `peers`."""

from __future__ import annotations

import functools
import importlib
import os
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection import FCOS

from benchmarks import inputs
from benchmarks.peers import Rows
from benchmarks.workloads import Problem
from tests.parity import central_peers, mmdet_peers, mmdet_stub
from tests.parity.scenes import CLASSES

_NONE = 1 << 30  # the label of background, where labels stand for rows


def _data(**fields: Any) -> Any:
    return mmdet_stub.module("mmengine.structures").InstanceData(**fields)


def _objects(problem: Problem) -> list[Any]:
    return [mmdet_peers.instances(scene) for scene in problem.scenes]


def central(
    name: str, logits: bool, points: bool, options: dict[str, Any], **call: Any
) -> Callable[[Problem], Callable[[], list[Any]]]:
    """An assigner of mmdet that looks into objects, image by image; it takes logits or probabilities."""

    def ready(problem: Problem) -> Callable[[], list[Any]]:
        peer, mine = mmdet_peers.assigner(name, **options), problem.predictions(problem.student)
        scores = mine.scores if logits else mine.scores.sigmoid()
        where = central_peers.points(problem.priors) if points else problem.priors.boxes
        given = [_data(priors=where, bboxes=b, scores=s) for b, s in zip(mine.boxes, scores, strict=True)]
        pairs = list(zip(given, _objects(problem), strict=True))
        return lambda: [peer.assign(predicted, objects, **call) for predicted, objects in pairs]

    return ready


def ultralytics(problem: Problem) -> Callable[[], Any]:
    """The assigner of its trainers: the whole batch at once, objects padded to the fullest image."""
    os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp())  # it writes settings when it is imported
    os.environ.setdefault("YOLO_OFFLINE", "1")
    judge = importlib.import_module("ultralytics.utils.tal").TaskAlignedAssigner(
        topk=10, num_classes=CLASSES, alpha=0.5, beta=6.0, stride=list(problem.workload.strides)
    )
    mine, shape = problem.predictions(problem.student), (problem.workload.images, max(problem.workload.counts))
    labels, boxes, there = torch.zeros(*shape, 1), torch.zeros(*shape, 4), torch.zeros(*shape, 1, dtype=torch.bool)
    for i, scene in enumerate(problem.scenes):
        n = len(scene.boxes)
        labels[i, :n, 0], boxes[i, :n], there[i, :n] = scene.labels.cpu().float(), scene.boxes.cpu(), True
    objects = [each.to(problem.device) for each in (labels, boxes, there)]
    given = (mine.scores.sigmoid(), mine.boxes, central_peers.points(problem.priors)[:, :2], *objects)
    return lambda: judge(*given)


def ultralytics_rows(found: Any) -> Rows:
    """Its answer in our codes."""
    _, _, _, positive, row = found
    return list(torch.where(positive.bool(), row.long(), -1))


@functools.cache
def _head(strides: tuple[int, ...]) -> Any:
    """A narrow FCOSHead whose labels are to name rows: no feature ever goes through it."""
    ends = [(-1 if s == strides[0] else 4 * s, 1e8 if s == strides[-1] else 8 * s) for s in strides]
    options = {"in_channels": 8, "feat_channels": 8, "stacked_convs": 1, "norm_cfg": {"type": "GN", "num_groups": 4}}
    heads = mmdet_stub.module("mmdet.models.dense_heads")
    made = heads.FCOSHead(CLASSES, strides=strides, regress_ranges=ends, **options)
    made.num_classes = _NONE
    return made


def mmdet_fcos(problem: Problem) -> Callable[[], Any]:
    """`FCOSHead.get_targets`, the whole object, as in its base configuration; centerness comes on top."""
    made, levels, objects = _head(problem.workload.strides), inputs.points(problem), _objects(problem)
    for each in objects:
        each.labels = torch.arange(len(each.bboxes), device=problem.device)
    points = [boxes[:, :2] for boxes in levels.boxes.split(levels.level_sizes)]
    return lambda: made.get_targets(points, objects)


def mmdet_fcos_rows(problem: Problem, found: Any) -> Rows:
    """Its labels, which come level by level, in our codes."""
    labels = torch.cat([level.reshape(problem.workload.images, -1) for level in found[0]], 1)
    return list(torch.where(labels == _NONE, -1, labels))


@functools.cache
def _model() -> FCOS:
    body = torch.nn.Module()
    body.out_channels = 32
    made = FCOS(body, num_classes=CLASSES)
    made.head.compute_loss = lambda targets, outputs, anchors, matched: matched
    return made


def torchvision_fcos(problem: Problem) -> Callable[[], Rows]:
    """The part of `FCOS.compute_loss` that matches, without the loss after it; centerness comes on top."""
    priors, made = inputs.small_anchors(problem), _model()
    targets = [{"boxes": scene.boxes, "labels": scene.labels} for scene in problem.scenes]
    anchors, sizes = [priors.boxes] * problem.workload.images, list(priors.level_sizes)
    return lambda: made.compute_loss(targets, {}, anchors, sizes)


def uniform(problem: Problem) -> Callable[[], list[Any]]:
    """YOLOF's assigner, image by image."""
    priors, predicted = inputs.yolof(problem)
    peer = mmdet_peers.assigner("UniformAssigner", pos_ignore_thr=0.15, neg_ignore_thr=0.7)
    given = [_data(priors=priors.boxes, decoder_priors=boxes) for boxes in predicted]
    pairs = list(zip(given, _objects(problem), strict=True))
    return lambda: [peer.assign(boxes, objects) for boxes, objects in pairs]


def transformers(problem: Problem) -> Callable[[], list[tuple[Tensor, Tensor]]]:
    """Deformable DETR's matcher, layer by layer as its loss calls it: (queries, rows) of every image."""
    matchers, here = mmdet_stub.module("transformers.loss.loss_deformable_detr"), inputs.decoder(problem)
    peer = matchers.DeformableDetrHungarianMatcher(class_cost=2, bbox_cost=5, giou_cost=2)
    pairs = zip(problem.scenes, inputs.normalised(problem), strict=True)
    targets = [{"class_labels": scene.labels, "boxes": boxes} for scene, boxes in pairs]
    layers = zip(here.logits.chunk(inputs.LAYERS), here.boxes.chunk(inputs.LAYERS), strict=True)
    outputs = [{"logits": logits, "pred_boxes": boxes} for logits, boxes in layers]
    return lambda: [pair for each in outputs for pair in peer(each, targets)]


def query_rows(found: list[tuple[Tensor, Tensor]]) -> Rows:
    """The row of every query, in our codes."""
    rows = [torch.full((inputs.QUERIES,), -1) for _ in found]
    for each, (query, row) in zip(rows, found, strict=True):
        each[query] = row
    return rows
