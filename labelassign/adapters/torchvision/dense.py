"""RetinaNet, FCOS and SSD: one network, all anchors of one loss."""

from __future__ import annotations

from itertools import accumulate
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torchvision.models.detection import FCOS, RetinaNet
from torchvision.models.detection.ssd import SSD

from labelassign import checks
from labelassign.adapters.encoding import centerness, decoded
from labelassign.adapters.handle import Handle
from labelassign.adapters.torchvision.anchors import Hidden, Watched
from labelassign.adapters.torchvision.encoding import objects, to_torchvision
from labelassign.structures import Predictions

Outputs = dict[str, Tensor]


class Dense:
    """Stands in for `compute_loss` of one model. `first_label`: SSD's classes are numbered from 1."""

    takes: type = RetinaNet
    ignores = True
    first_label = 0

    def __init__(self, handle: Handle) -> None:
        """Of that handle's model."""
        self.handle, self.watched = handle, Watched(handle.who)

    @classmethod
    def attach(cls, handle: Handle) -> Handle:
        """Put it into the model."""
        made, model, teacher = cls(handle), handle.model, handle.teacher
        if teacher is not None and not isinstance(teacher.module, cls.takes):
            found, fix = type(teacher.module).__name__, "Both networks must be of one kind."
            checks.fail(handle.who, f"a teacher that is a {cls.takes.__name__}", found, fix, TypeError)
        handle.hook(model.anchor_generator.register_forward_hook(made.watched.see))
        handle.put(model, "compute_loss", made)
        return handle.attached()

    def __call__(self, targets: list[dict[str, Tensor]], outputs: Outputs, anchors: list[Tensor], *_: Any) -> Outputs:
        """The losses of a batch; what the model matched by itself is not looked at."""
        handle, model = self.handle, self.handle.model
        priors, images = self.watched.take(anchors)
        needs = handle.assigner.needs
        mine = self.predictions(model, outputs, priors.boxes) if "predictions" in needs else None
        theirs, seen = None, None
        if handle.teacher is not None:
            with handle.teacher.at_work() as teacher:
                seen = self.watched.outputs_of(teacher.backbone, teacher, images)
            theirs = self.predictions(handle.teacher.module, seen, priors.boxes)
            classes = {"model": outputs["cls_logits"].shape[2], "teacher": theirs.scores.shape[2]}
            checks.equal(handle.who, "number of classes", classes, "Both networks must know the same classes.")
        gt = objects(targets, self.first_label)
        rows = to_torchvision(handle.decide(priors, gt, mine, theirs), ignore=self.ignores)
        losses = self.loss(model, targets, outputs, anchors, rows)
        if handle.teacher is not None and handle.teacher.trains and seen is not None:
            more = self.loss(handle.teacher.module, targets, seen, anchors, rows)
            losses |= {f"teacher_{name}": value for name, value in more.items()}
        return losses

    def loss(self, model: Any, targets: Any, outputs: Outputs, anchors: list[Tensor], rows: list[Tensor]) -> Outputs:
        """The stock losses under given owners."""
        return model.head.compute_loss(targets, outputs, anchors, rows)

    def predictions(self, model: Any, outputs: Outputs, anchors: Tensor) -> Predictions:
        """What a model says of all anchors, decoded by its own coder."""
        with torch.no_grad():
            return Predictions(decoded(model.box_coder, outputs["bbox_regression"], anchors), outputs["cls_logits"])


class Points(Dense):
    """FCOS: distances to the sides, and a centerness beside the classes; no state for ignored priors."""

    takes = FCOS
    ignores = False

    def loss(self, model: Any, targets: Any, outputs: Outputs, anchors: list[Tensor], rows: list[Tensor]) -> Outputs:
        """The stock losses; centerness, which is no number outside of an object, is 0 there."""
        losses = super().loss(model, targets, outputs, anchors, rows)
        if losses["bbox_ctrness"].isfinite():  # every point lies in its object
            return losses
        count, row = len(anchors[0]), torch.cat(rows)
        places = (row >= 0).nonzero()[:, 0]  # among the anchors of all images
        first = torch.tensor([0, *accumulate(len(each["boxes"]) for each in targets)], device=row.device)
        owners = torch.cat([each["boxes"] for each in targets])[row[places] + first[places // count]]
        wanted = centerness(anchors[0][places % count], owners)
        said = outputs["bbox_ctrness"].flatten()[places]
        wrong = binary_cross_entropy_with_logits(said, wanted, reduction="sum")
        return losses | {"bbox_ctrness": wrong / max(1, len(wanted))}

    def predictions(self, model: Any, outputs: Outputs, anchors: Tensor) -> Predictions:
        """What a model says of all points; centerness is its objectness."""
        with torch.no_grad():
            deltas = outputs["bbox_regression"].float()
            boxes = model.box_coder.decode(deltas, anchors.expand_as(deltas))
            return Predictions(boxes, outputs["cls_logits"], objectness=outputs["bbox_ctrness"].squeeze(2))


class Softmax(Dense):
    """SSD: softmax scores with the background first, negatives mined inside the loss; no state for ignored priors."""

    takes = SSD
    ignores = False
    first_label = 1

    @classmethod
    def attach(cls, handle: Handle) -> Handle:
        """Put it into the model, which matches before it asks for its losses: it shall find nothing to match."""
        super().attach(handle)
        model, hiding = handle.model, vars(handle.model)["compute_loss"].hiding
        handle.hook(model.register_forward_pre_hook(hiding.begin))
        handle.hook(model.anchor_generator.register_forward_hook(hiding.hide))
        handle.hook(model.register_forward_hook(hiding.end, always_call=True))
        return handle

    def __init__(self, handle: Handle) -> None:
        """Of that handle's model."""
        super().__init__(handle)
        self.hiding = Hidden()

    def __call__(self, targets: list[dict[str, Tensor]], outputs: Outputs, anchors: list[Tensor], *_: Any) -> Outputs:
        """The losses of a batch, of the anchors that were hidden."""
        return super().__call__(targets, outputs, self.hiding.anchors or anchors)

    def loss(self, model: Any, targets: Any, outputs: Outputs, anchors: list[Tensor], rows: list[Tensor]) -> Outputs:
        """The stock losses under given owners."""
        return type(model).compute_loss(model, targets, outputs, anchors, rows)

    def predictions(self, model: Any, outputs: Outputs, anchors: Tensor) -> Predictions:
        """What a model says of all anchors; the background's column goes last."""
        with torch.no_grad():
            scores = outputs["cls_logits"].roll(-1, 2)
            return Predictions(decoded(model.box_coder, outputs["bbox_regression"], anchors), scores, "softmax_logits")


KINDS = (Dense, Points, Softmax)
