"""RetinaNet and FCOS: one network, all anchors of one loss."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from labelassign import checks
from labelassign.adapters.detectron2.encoding import objects, tensor_of, to_detectron2
from labelassign.adapters.detectron2.grid import Grid, Levels, joined, predictions, rolled
from labelassign.adapters.encoding import centerness
from labelassign.adapters.handle import Handle, standing_in
from labelassign.structures import Predictions, Priors

Losses = dict[str, Tensor]


class Dense:
    """Stands in for `label_anchors` of one RetinaNet, which is called when its head has spoken."""

    ignores = True

    def __init__(self, handle: Handle) -> None:
        """Of that handle's model."""
        self.handle, self.grid = handle, Grid(handle.who)
        self.images: Any = None
        self.outputs: Any = None
        self.theirs: list[Levels] | None = None

    @classmethod
    def attach(cls, handle: Handle, takes: type) -> Handle:
        """Put it into the model, which is one of the class `takes`."""
        made, model, teacher = cls(handle), handle.model, handle.teacher
        made.grid.check(handle.who, model.anchor_generator)
        if teacher is not None:
            other: Any = teacher.module
            if not isinstance(other, takes):
                found, fix = type(other).__name__, "Both networks must be of one kind."
                checks.fail(handle.who, f"a teacher that is a {takes.__name__}", found, fix, TypeError)
            classes = {"model": model.num_classes, "teacher": other.num_classes}
            checks.equal(handle.who, "number of classes", classes, "Both networks must know the same classes.")
            handle.hook(model.backbone.register_forward_pre_hook(made.look))
            if teacher.trains:
                handle.put(model, "losses", Both(made))
        handle.hook(model.head.register_forward_hook(made.see))
        handle.put(model, "label_anchors", made)
        made.prepare(model)
        return handle.attached()

    def prepare(self, model: Any) -> None:
        """What else a model needs."""

    @contextmanager
    def prepared(self, other: Any) -> Generator[None]:
        """The same for the network of a teacher that trains, for a while."""
        yield

    def look(self, _: Any, inputs: tuple[Any, ...]) -> None:
        """A forward pre-hook of the backbone: what the teacher is to see."""
        self.images = inputs[0] if self.handle.model.training else None

    def see(self, _: Any, __: Any, outputs: Any) -> None:
        """A forward hook of the head."""
        self.outputs = outputs if self.handle.model.training else None

    def __call__(self, anchors: Sequence[Any], gt_instances: Sequence[Any]) -> tuple[list[Tensor], list[Any]]:
        """Labels `[N]` and boxes `[N, 4]` of all anchors of each image."""
        handle, model = self.handle, self.handle.model
        outputs, self.outputs = self.outputs, None
        priors, mine = self.grid.take(model.anchor_generator, anchors, outputs[0]), None
        if "predictions" in handle.assigner.needs:
            mine = predictions(model.box2box_transform, self.told(model, outputs), priors.boxes)
        gt = objects(gt_instances)
        a = handle.decide(priors, gt, mine, self.taught(priors))
        labels, boxes = to_detectron2(a, gt, model.num_classes, ignore=self.ignores)
        # FCOS had its boxes as `Boxes` while its matching was the public `match_anchors`
        return labels, list(map(type(anchors[0]), boxes)) if hasattr(model, "match_anchors") else boxes

    def told(self, model: Any, outputs: Sequence[Any]) -> list[Levels]:
        """What a head said, in the order of the anchors: classes, deltas, and centerness if there is one."""
        return [rolled(maps, n) for maps, n in zip(outputs, (model.num_classes, 4, 1), strict=False)]

    def taught(self, priors: Priors) -> Predictions | None:
        """What the teacher says of the same images."""
        teacher = self.handle.teacher
        if teacher is None:
            return None
        images, self.images = self.images, None
        with teacher.at_work() as other:
            features = other.backbone(images)
            maps = [features[name] for name in other.head_in_features]
            self.grid.agree(lambda: joined(other.anchor_generator(maps)))
            said = self.told(other, other.head(maps))
        self.theirs = said if teacher.trains else None
        return predictions(teacher.module.box2box_transform, said, priors.boxes)

    def __getstate__(self) -> dict[str, Any]:
        """Without the batch."""
        return vars(self) | {"images": None, "outputs": None, "theirs": None}


class Points(Dense):
    """The same of an FCOS: a centerness beside the classes; no state for ignored anchors."""

    ignores = False

    def prepare(self, model: Any) -> None:
        """Centerness, which is no number outside of an object, is 0 there."""
        self.handle.put(model, "compute_ctrness_targets", centered)

    @contextmanager
    def prepared(self, other: Any) -> Generator[None]:
        """The same for the network of a teacher that trains, for a while."""
        with standing_in(other, compute_ctrness_targets=centered):
            yield


def centered(anchors: Sequence[Any], gt_boxes: Sequence[Any]) -> Tensor:
    """Centerness `[B, N]` of all points in their boxes; stands in for `compute_ctrness_targets`."""
    points = joined(anchors)
    return torch.stack([centerness(points, tensor_of(each)) for each in gt_boxes])


class Both:
    """Stands in for `losses` of a model whose teacher trains."""

    def __init__(self, dense: Dense) -> None:
        """Beside what stands in for its `label_anchors`."""
        self.dense = dense

    def __call__(self, anchors: Any, logits: Any, labels: Any, deltas: Any, boxes: Any, *more: Any) -> Losses:
        """The losses of both networks under one assignment."""
        handle, theirs = self.dense.handle, self.dense.theirs
        model: Any = handle.model
        losses = type(model).losses(model, anchors, logits, labels, deltas, boxes, *more)
        self.dense.theirs = None
        if handle.teacher is None or theirs is None:
            return losses
        other: Any = handle.teacher.module
        with self.dense.prepared(other):
            said = other.losses(anchors, theirs[0], labels, theirs[1], boxes, *theirs[2:])
        return losses | {f"teacher_{name}": value for name, value in said.items()}
