"""The two stages of Faster R-CNN: anchors of its region proposal network, proposals of its box head."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork, concat_box_prediction_layers

from labelassign import checks
from labelassign.adapters.encoding import local_rows
from labelassign.adapters.handle import Handle
from labelassign.adapters.torchvision.anchors import Watched
from labelassign.adapters.torchvision.encoding import objects
from labelassign.structures import IGNORE, Predictions, Priors
from labelassign.structures.targets import take_rows


class Proposing:
    """Stands in for `assign_targets_to_anchors` of one region proposal network: one class, "object"."""

    takes: type = RegionProposalNetwork

    def __init__(self, handle: Handle) -> None:
        """Of that handle's model."""
        self.handle, self.watched, self.outputs = handle, Watched(handle.who), None

    @classmethod
    def attach(cls, handle: Handle) -> Handle:
        """Put it into the stage."""
        made, stage, teacher = cls(handle), handle.model, handle.teacher
        if teacher is not None and (teacher.trains or not hasattr(teacher.module, "rpn")):
            found, fix = type(teacher.module).__name__, "CoLAD trains whole detectors: RetinaNet, FCOS or SSD."
            checks.fail(handle.who, "LAD with a Faster R-CNN as the teacher of `rpn`", found, fix, TypeError)
        handle.hook(stage.anchor_generator.register_forward_hook(made.watched.see))
        handle.hook(stage.head.register_forward_hook(made.see))
        handle.put(stage, "assign_targets_to_anchors", made)
        return handle.attached()

    def see(self, _: Any, __: Any, outputs: Any) -> None:
        """A forward hook of the head."""
        self.outputs = outputs

    def __call__(self, anchors: list[Tensor], targets: list[dict[str, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
        """Labels (1, 0, -1 ignored) and boxes of all anchors."""
        handle, needs = self.handle, self.handle.assigner.needs
        priors, images = self.watched.take(anchors)
        (outputs, self.outputs), theirs = (self.outputs, None), None
        mine = self.predictions(handle.model, outputs, anchors) if "predictions" in needs else None
        if handle.teacher is not None:
            with handle.teacher.at_work() as teacher:
                seen = self.watched.outputs_of(teacher.backbone, teacher.rpn, images)
            theirs = self.predictions(handle.teacher.module.rpn, seen, anchors)
        gt = objects([{**each, "labels": torch.zeros_like(each["labels"])} for each in targets])
        assignment = handle.decide(priors, gt, mine, theirs)
        index = assignment.gt_index
        labels = torch.where(index == IGNORE, -1.0, assignment.positive.float())
        return list(labels), list(take_rows(gt.boxes, index))  # only positives' boxes are read

    def predictions(self, stage: Any, outputs: Any, anchors: list[Tensor]) -> Predictions:
        """What a head says of all anchors."""
        with torch.no_grad():
            scores, deltas = concat_box_prediction_layers(*(list(each) for each in outputs))
            boxes = stage.box_coder.decode(deltas.float(), anchors)
            return Predictions(boxes.view(len(anchors), -1, 4), scores.view(len(anchors), -1, 1))

    def __getstate__(self) -> dict[str, Any]:
        """Without the batch."""
        return vars(self) | {"outputs": None}


class Pooling:
    """Stands in for `assign_targets_to_proposals` of one box head: proposals with the objects added to them."""

    takes: type = RoIHeads

    def __init__(self, handle: Handle) -> None:
        """Of that handle's model."""
        self.handle = handle

    @classmethod
    def attach(cls, handle: Handle) -> Handle:
        """Put it into the stage."""
        if handle.assigner.needs & {"predictions", "teacher"}:
            found, fix = type(handle.assigner).__name__, "Take MaxIoU, or attach it to `model.rpn`."
            checks.fail(handle.who, "an assigner that looks at boxes alone for `roi_heads`", found, fix)
        handle.put(handle.model, "assign_targets_to_proposals", cls(handle))
        return handle.attached()

    def __call__(
        self, proposals: list[Tensor], gt_boxes: list[Tensor], gt_labels: list[Tensor]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Row (0 without object) and label (0 background, -1 ignored) of every proposal."""
        counts = [len(each) for each in proposals]
        boxes = torch.nn.utils.rnn.pad_sequence(proposals, batch_first=True).float()
        real = torch.arange(boxes.shape[1], device=boxes.device) < torch.tensor(counts, device=boxes.device)[:, None]
        gt = objects([{"boxes": b, "labels": n} for b, n in zip(gt_boxes, gt_labels, strict=True)])
        a = self.handle.decide(Priors(boxes, (boxes.shape[1],), valid=real), gt, None, None)
        labels = torch.where(a.positive, take_rows(gt.labels, a.gt_index), torch.where(a.ignored, -1, 0))
        rows = local_rows(a).clamp(min=0)
        return (
            [row[:n] for row, n in zip(rows, counts, strict=True)],
            [label[:n] for label, n in zip(labels, counts, strict=True)],
        )


KINDS = (Proposing, Pooling)
