"""COCO's average precision, by faster-coco-eval."""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
import torch
from faster_coco_eval import COCO, COCOeval_faster
from torch import Tensor, nn
from torchvision.ops import batched_nms

from examples.recipe.data import Batch, collate
from examples.recipe.model import Heads, look
from examples.recipe.sources import Images

LEAST, BEFORE, SAME, AFTER = 0.05, 300, 0.6, 100  # score; detections before NMS; its overlap; detections after
Row = dict[str, Any]


@torch.no_grad()
def average_precision(network: nn.Module, images: Images, device: str = "cpu", batch: int = 50) -> dict[str, float]:
    """AP, AP50 and AP75 in percent."""
    was, detections, objects = network.training, [], []
    network.eval()
    for start in range(0, len(images), batch):
        numbers = range(start, min(start + batch, len(images)))
        part = collate([(*images.get(i, np.random.default_rng(0)), False) for i in numbers])
        _, found = look(network, part.images.to(device))
        detections += [row for i, each in zip(numbers, _best(found), strict=True) for row in _rows(i, each)]
        objects += _objects(numbers, part)
    network.train(was)
    return _scored(len(images), images.classes, objects, detections)


def _best(found: Heads) -> list[tuple[Tensor, Tensor, Tensor]]:
    """Boxes, scores and classes of every image: the geometric mean of class score and expected overlap."""
    scores = (found.predictions.scores.sigmoid() * found.iou.sigmoid()[..., None]).sqrt()
    kept = []
    for score, boxes in zip(scores.cpu(), found.predictions.boxes.cpu(), strict=True):
        value, place = score.flatten().topk(min(BEFORE, score.numel()))
        place, value = place[value > LEAST], value[value > LEAST]
        prior, label = place // score.shape[1], place % score.shape[1]
        chosen = batched_nms(boxes[prior], value, label, SAME)[:AFTER]
        kept.append((boxes[prior][chosen], value[chosen], label[chosen]))
    return kept


def _rows(image: int, found: tuple[Tensor, Tensor, Tensor]) -> list[Row]:
    each = zip(*(value.tolist() for value in found), strict=True)
    return [{"image_id": image, "category_id": c, "bbox": _xywh(box), "score": s} for box, s, c in each]


def _objects(numbers: range, part: Batch) -> list[Row]:
    rows = []
    for image, objects in zip(numbers, part.gt.to_list(), strict=True):
        each = zip(*(objects[name].tolist() for name in ("boxes", "labels", "ignore")), strict=True)
        for box, label, ignore in each:
            x, y, w, h = _xywh(box)
            row = {"image_id": image, "category_id": label, "bbox": [x, y, w, h], "area": w * h, "iscrowd": int(ignore)}
            rows.append(row)
    return rows


def _xywh(box: list[float]) -> list[float]:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]


def _scored(images: int, classes: int, objects: list[Row], detections: list[Row]) -> dict[str, float]:
    if not detections:
        return {"AP": 0.0, "AP50": 0.0, "AP75": 0.0}
    table = {
        "images": [{"id": i} for i in range(images)],
        "categories": [{"id": c, "name": str(c)} for c in range(classes)],
        "annotations": [{"id": i, **row} for i, row in enumerate(objects, 1)],
    }
    with contextlib.redirect_stdout(io.StringIO()):  # it prints a table
        truth = COCO(table)
        found = COCOeval_faster(truth, truth.loadRes(detections), "bbox")
        found.evaluate()
        found.accumulate()
        found.summarize()
    return {name: 100 * float(value) for name, value in zip(("AP", "AP50", "AP75"), found.stats, strict=False)}
