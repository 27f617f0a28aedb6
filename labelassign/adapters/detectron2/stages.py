"""The two stages of an R-CNN: anchors of its region proposal network, proposals of its heads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from labelassign import checks
from labelassign.adapters.detectron2.encoding import IGNORED, objects
from labelassign.adapters.detectron2.grid import Grid, joined, predictions, rolled
from labelassign.adapters.encoding import local_rows
from labelassign.adapters.handle import Handle, standing_in
from labelassign.structures import Predictions, Priors


class Proposing:
    """Stands in for `label_and_sample_anchors` of one RPN: one class, "object"; detectron2's sampler draws."""

    def __init__(self, handle: Handle) -> None:
        """Of that handle's model."""
        self.handle, self.grid = handle, Grid(handle.who)
        self.images: Any = None
        self.outputs: Any = None

    @classmethod
    def attach(cls, handle: Handle, takes: type) -> Handle:
        """Put it into the stage, which is one of the class `takes`."""
        made, stage, teacher = cls(handle), handle.model, handle.teacher
        made.grid.check(handle.who, stage.anchor_generator)
        if teacher is not None:
            fits = isinstance(getattr(teacher.module, "proposal_generator", None), takes)
            if teacher.trains or not fits:
                found, fix = type(teacher.module).__name__, "CoLAD trains whole detectors: RetinaNet or FCOS."
                checks.fail(handle.who, "LAD with an R-CNN as the teacher of an RPN", found, fix, TypeError)
            handle.hook(stage.register_forward_pre_hook(made.look))
        handle.hook(stage.rpn_head.register_forward_hook(made.see))
        handle.put(stage, "label_and_sample_anchors", made)
        return handle.attached()

    def look(self, _: Any, inputs: tuple[Any, ...]) -> None:
        """A forward pre-hook of the stage: the images, which the backbone saw."""
        self.images = inputs[0].tensor if self.handle.model.training else None

    def see(self, _: Any, __: Any, outputs: Any) -> None:
        """A forward hook of the head."""
        self.outputs = outputs if self.handle.model.training else None

    def __call__(self, anchors: Sequence[Any], gt_instances: Sequence[Any]) -> tuple[list[Tensor], list[Tensor]]:
        """Labels (1, 0, -1 ignored or not drawn) `[N]` and boxes `[N, 4]` of all anchors of each image."""
        handle, stage = self.handle, self.handle.model
        outputs, self.outputs = self.outputs, None
        priors, mine = self.grid.take(stage.anchor_generator, anchors, outputs[0]), None
        if "predictions" in handle.assigner.needs:
            mine = predictions(stage.box2box_transform, self.told(outputs), priors.boxes)
        gt = objects(gt_instances, one_class=True)
        a = handle.decide(priors, gt, mine, self.taught(priors))
        labels = torch.where(a.ignored, IGNORED, a.positive.to(torch.int8))
        if stage.anchor_boundary_thresh >= 0:
            every, limit = type(anchors[0])(priors.boxes), stage.anchor_boundary_thresh
            inside = [every.inside_box(each.image_size, limit) for each in gt_instances]
            labels = torch.where(torch.stack(inside), labels, IGNORED)
        drawn = [stage._subsample_labels(each) for each in labels]
        return drawn, list(a.targets(gt, background=1).boxes)

    def told(self, outputs: Sequence[Any]) -> list[list[Tensor]]:
        """What a head said, in the order of the anchors: objectness and deltas."""
        return [rolled(maps, channels) for maps, channels in zip(outputs, (1, 4), strict=True)]

    def taught(self, priors: Priors) -> Predictions | None:
        """What the teacher says of the same images."""
        if self.handle.teacher is None:
            return None
        images, self.images = self.images, None
        with self.handle.teacher.at_work() as teacher:
            other, features = teacher.proposal_generator, teacher.backbone(images)
            maps = [features[name] for name in other.in_features]
            self.grid.agree(lambda: joined(other.anchor_generator(maps)))
            return predictions(other.box2box_transform, self.told(other.rpn_head(maps)), priors.boxes)

    def __getstate__(self) -> dict[str, Any]:
        """Without the batch."""
        return vars(self) | {"images": None, "outputs": None}


class Pooling:
    """Stands in for `label_and_sample_proposals` of one ROIHeads: proposals, and the objects after them if it asks."""

    def __init__(self, handle: Handle) -> None:
        """Of that handle's model."""
        self.handle = handle

    @classmethod
    def attach(cls, handle: Handle, takes: type) -> Handle:
        """Put it into the stage, which is one of the class `takes`."""
        if handle.assigner.needs & {"predictions", "teacher"}:
            found, fix = type(handle.assigner).__name__, "Take MaxIoU, or attach it to `model.proposal_generator`."
            checks.fail(handle.who, "an assigner that looks at boxes alone for `roi_heads`", found, fix)
        handle.put(handle.model, "label_and_sample_proposals", cls(handle))
        return handle.attached()

    def __call__(self, proposals: list[Any], targets: list[Any]) -> list[Any]:
        """The proposals that the stage draws, with what they learn."""
        stage, add = self.handle.model, self.handle.model.proposal_append_gt
        lists = [each.proposal_boxes.tensor for each in proposals]
        if add:
            lists = [torch.cat([found, each.gt_boxes.tensor]) for found, each in zip(lists, targets, strict=True)]
        counts = [len(each) for each in lists]
        boxes = torch.nn.utils.rnn.pad_sequence(lists, batch_first=True).float()
        real = torch.arange(boxes.shape[1], device=boxes.device) < torch.tensor(counts, device=boxes.device)[:, None]
        a = self.handle.decide(Priors(boxes, (boxes.shape[1],), valid=real), objects(targets), None, None)
        labels = torch.where(a.ignored, IGNORED, a.positive.to(torch.int8))
        rows = zip(local_rows(a).clamp(min=0), labels, counts, strict=True)
        with standing_in(stage, proposal_matcher=Told([(row[:n], label[:n]) for row, label, n in rows])):
            return type(stage).label_and_sample_proposals(stage, proposals, targets)


class Told:
    """Stands in for a matcher that is asked image by image."""

    def __init__(self, answers: list[tuple[Tensor, Tensor]]) -> None:
        """What it will say, in order: of each proposal its object's row and its label (1, 0, -1)."""
        self.answers = iter(answers)

    def __call__(self, _: Tensor) -> tuple[Tensor, Tensor]:
        """The next answer; the overlaps are not looked at."""
        return next(self.answers)
