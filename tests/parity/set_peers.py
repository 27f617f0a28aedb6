"""Outputs of set-prediction heads on COCO-like scenes, and the matchers of transformers and mmdet on them."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

import labelassign as la
from tests.parity import mmdet_stub
from tests.parity.scenes import CLASSES, IMAGE, Scene, scene

Pairs = list[tuple[Tensor, Tensor]]
SIZE = torch.tensor([float(side) for side in IMAGE])
_TO_PIXELS = SIZE.flip(0).repeat(2)


@dataclass(frozen=True)
class Batch:
    """Scenes, and what a head says of them: logits `[B, Q, C + 1]`, normalised (cx, cy, w, h) `[B, Q, 4]`."""

    scenes: list[Scene]
    logits: Tensor
    boxes: Tensor

    def ours(self, scores_are: str) -> tuple[la.Priors, la.GroundTruth, la.Predictions]:
        """With softmax the last column is "no object"; a sigmoid head has no such column."""
        images = [{"boxes": s.boxes, "labels": s.labels, "image_size": IMAGE} for s in self.scenes]
        gt = la.GroundTruth.from_list(images)
        logits = self.logits if scores_are == "softmax_logits" else self.logits[..., :CLASSES]
        p = la.Predictions.from_cxcywh(self.boxes, logits, gt.image_sizes, scores_are=scores_are)
        return la.Priors.queries(logits.shape[1]), gt, p

    def pairs(self, assigner: la.Hungarian, scores_are: str) -> Pairs:
        return assigner(*self.ours(scores_are)).to_pairs()


@functools.lru_cache(maxsize=8)
def batch(kind: str, seed: int, counts: tuple[int, ...] = (0, 1, 7, 23, 63), queries: int = 300) -> Batch:
    """`kind`: "random" (knows nothing), "first" (one logit everywhere) or "trained" (several queries see an object)."""
    g = torch.Generator().manual_seed(seed)
    scenes = [scene(count, seed) for count in counts]
    shape = (len(counts), queries)
    logits = torch.randn(*shape, CLASSES + 1, generator=g) * (kind != "first")
    middle, side = torch.rand(*shape, 2, generator=g), 0.02 + 0.5 * torch.rand(*shape, 2, generator=g) ** 2
    boxes = torch.cat([middle, side], -1)
    if kind == "trained":
        for i, here in enumerate(scenes):
            sees = torch.arange(queries)[: 4 * len(here.labels)]
            if len(sees):
                row = sees % len(here.labels)
                noise = 0.1 * torch.randn(len(sees), 4, generator=g)
                wanted = normalised(here.boxes)[row]
                boxes[i, sees] = wanted * (1 + noise).clamp(min=0.2)
                logits[i, sees, here.labels[row]] += 6 * torch.rand(len(sees), generator=g)
    return Batch(scenes, logits, boxes)


def normalised(boxes: Tensor) -> Tensor:
    """(cx, cy, w, h) in shares of the image."""
    share = boxes / _TO_PIXELS
    return torch.cat([(share[:, :2] + share[:, 2:]) / 2, share[:, 2:] - share[:, :2]], 1)


def transformers(name: str, here: Batch, scores_are: str, *call: int, **options: Any) -> Pairs:
    """The pairs of a matcher of transformers.loss, sorted by query."""
    loss = {"RTDetrHungarianMatcher": "loss_rt_detr", "LwDetrHungarianMatcher": "loss_lw_detr"}
    file = loss.get(name, "loss_deformable_detr" if name.startswith("Deformable") else "loss_for_object_detection")
    matcher = getattr(mmdet_stub.module(f"transformers.loss.{file}"), name)
    if name == "RTDetrHungarianMatcher":
        named = {key if key == "use_focal_loss" else f"matcher_{key}": value for key, value in options.items()}
        options = {"config": SimpleNamespace(**named)}
    targets = [{"class_labels": s.labels, "boxes": normalised(s.boxes)} for s in here.scenes]
    logits = here.logits if scores_are == "softmax_logits" else here.logits[..., :CLASSES]
    found = matcher(**options)({"logits": logits, "pred_boxes": here.boxes}, targets, *call)
    return [tuple(side[query.argsort()] for side in (query, row)) for query, row in found]


def mmdet(here: Batch, scores_are: str, cls: dict[str, Any], weights: tuple[float, float], topk: int = 0) -> Pairs:
    """The pairs of HungarianAssigner, or of TopkHungarianAssigner, image by image."""
    assigners = mmdet_stub.module("mmdet.models.task_modules.assigners")
    data = mmdet_stub.module("mmengine.structures").InstanceData
    l1 = {"type": "BBoxL1Cost", "weight": weights[0], "box_format": "xywh"}
    iou = {"type": "IoUCost", "iou_mode": "giou", "weight": weights[1]}
    _, gt, p = here.ours(scores_are)
    found: Pairs = []
    for i, image in enumerate(gt.to_list()):
        meta = {"img_shape": IMAGE}
        if topk:
            peer = assigners.TopkHungarianAssigner(topk=topk, cls_cost=cls, reg_cost=l1, iou_cost=iou)
            answer = peer.assign(p.scores[i], p.boxes[i], image["boxes"], image["labels"], meta)
        else:
            peer = assigners.HungarianAssigner([cls, l1, iou])
            objects = data(bboxes=image["boxes"], labels=image["labels"])
            answer = peer.assign(data(bboxes=p.boxes[i], scores=p.scores[i]), objects, meta)
        query = (answer.gt_inds > 0).nonzero().squeeze(1)
        found.append((query, answer.gt_inds[query] - 1))
    return found
