"""PAAHead and LADHead: the whole batch is assigned at once, in place of a mixture fitted object by object."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmdet.models.dense_heads import LADHead, PAAHead
from mmdet.structures.bbox import bbox_overlaps
from torch import Tensor

from labelassign import checks
from labelassign.adapters.handle import Handle, standing_in
from labelassign.adapters.mmdet.encoding import objects
from labelassign.adapters.mmdet.grid import Grid
from labelassign.adapters.mmdet.heads import Anchored
from labelassign.adapters.mmdet.told import Told

BOX_WEIGHTS = ("iou", "none")
LEAST = 1e-12  # PAAHead's own lower bound of a weight


class BoxWeight:
    """Stands in for the box loss of a head: weighted by the prediction's IoU, or not at all."""

    def __init__(self, loss: Any, kind: str) -> None:
        """Around the head's own loss."""
        self.loss, self.kind = loss, kind

    def __call__(self, boxes: Tensor, targets: Tensor, *_: Any, **__: Any) -> Tensor:
        """The loss of positives, divided by the sum of the weights."""
        if self.kind == "none":
            return self.loss(boxes, targets, avg_factor=len(boxes))
        overlap = bbox_overlaps(boxes.detach(), targets, is_aligned=True)
        return self.loss(boxes, targets, overlap.clamp(min=LEAST), avg_factor=overlap.sum())


class Mixed(Anchored):
    """PAAHead: its pre-assignment, costs and reassignment are one decision."""

    takes = PAAHead
    outputs = 3

    def __init__(self, box_weight: str | None = None) -> None:
        """`box_weight`: see `attach`."""
        self.box_weight = box_weight

    @contextmanager
    def under(self, head: Any, told: Told) -> Generator[None]:
        """The three steps between which the head decides."""
        counts = told.assignment.positive.sum(1).tolist()
        targets = targets_of(head, told)
        ours: dict[str, Any] = {
            "get_targets": lambda *_, **__: (*targets, counts, counts),
            "get_pos_loss": lambda *_: (None,),
            "paa_reassign": lambda _, label, weight, boxes, count, *__: (label, weight, boxes, count),
        }
        if self.box_weight is not None:
            ours["loss_bbox"] = BoxWeight(head.loss_bbox, self.box_weight)
        with standing_in(head, **ours):
            yield


def targets_of(head: Any, told: Told) -> tuple[list[Tensor], ...]:
    """Per image labels, their weights, boxes and their weights, of all anchors."""
    found = told.assignment.targets(told.gt, background=head.num_classes)
    weight, special = found.cls_weight, head.train_cfg["pos_weight"]
    if special > 0:
        weight = torch.where(told.assignment.positive, special, weight)
    return list(found.labels), list(weight), list(found.boxes), list(found.loc_weight[..., None].expand(-1, -1, 4))


class Teaching:
    """Stands in for `get_label_assignment` of the teacher's head inside mmdet's LAD detector."""

    takes: type = LADHead

    def __init__(self, handle: Handle) -> None:
        """Of that handle's model."""
        self.handle, self.grid = handle, Grid(handle.who)

    @classmethod
    def attach(cls, handle: Handle, box_weight: str | None) -> Handle:
        """Put it into the teacher; the student's head takes what it is given."""
        model = handle.model
        if "predictions" in handle.assigner.needs:
            found, fix = type(handle.assigner).__name__, "Its student decides nothing: LAD(PAA.mmdet()) is its rule."
            checks.fail(handle.who, "an assigner that needs no student for mmdet's LAD", found, fix)
        handle.teacher = None  # it is a part of the model
        if box_weight is not None:
            head = model.bbox_head
            handle.put(head, "loss_bbox", BoxWeight(head.loss_bbox, box_weight))
        handle.put(model.teacher_model.bbox_head, "get_label_assignment", cls(handle))
        return handle.attached()

    def __call__(
        self, cls_scores: Any, bbox_preds: Any, _: Any, objs: Any, metas: Any, ignored: Sequence[Any] | None = None
    ) -> tuple[Any, ...]:
        """What the student's loss reads: flat targets, which anchors are positive, and how many."""
        head = self.handle.model.teacher_model.bbox_head
        priors, gt = self.grid.take(head, cls_scores, metas), objects(objs, ignored)
        theirs = Mixed().predictions(head, (cls_scores, bbox_preds), priors)
        a = self.handle.decide(priors, gt, None, theirs)
        targets = targets_of(head, Told(a, gt, priors, theirs))
        labels, weights, boxes, box_weights = (torch.cat(each) for each in targets)
        positive = a.positive.flatten().nonzero()[:, 0]
        anchors = priors.boxes.repeat(gt.num_images, 1)[positive] if len(positive) else None
        return labels, weights, boxes, box_weights, positive, anchors, len(positive)
