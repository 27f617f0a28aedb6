"""One bench's labels from an assigner."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from labelassign import checks
from labelassign.adapters.effdet.encoding import Labels, Padded, decode, objects, priors_of, to_effdet
from labelassign.adapters.handle import Handle
from labelassign.structures import Predictions, Priors

Outputs = tuple[list[Tensor], list[Tensor]]


class Labeler:
    """Stands in for `anchor_labeler` of one bench."""

    def __init__(self, handle: Handle) -> None:
        """Of that handle's model."""
        self.handle = handle
        self.at_work = False
        self.images: Any = None
        self.outputs: Any = None
        self.more: dict[str, Tensor] = {}
        self._priors: Priors | None = None

    @classmethod
    def attach(cls, handle: Handle) -> Handle:
        """Put it into the bench."""
        made, bench, teacher = cls(handle), handle.model, handle.teacher
        if teacher is not None:
            other: Any = teacher.module
            told = [(each.num_classes, tuple(each.anchors.boxes.shape)) for each in (other, bench)]
            if told[0] != told[1] or not torch.equal(other.anchors.boxes, bench.anchors.boxes):
                fix = "Give both networks the same image size, scales, ratios and classes."
                checks.fail(handle.who, "a teacher with the same classes and anchors", f"{told[0]}, not {told[1]}", fix)
        handle.hook(bench.register_forward_pre_hook(made.begin))
        handle.hook(bench.model.register_forward_hook(made.see))
        handle.hook(bench.register_forward_hook(made.finish))
        handle.put(bench, "anchor_labeler", made)
        return handle.attached()

    def begin(self, *_: Any) -> None:
        """A forward pre-hook of the bench: its network also predicts elsewhere."""
        self.at_work = True

    def see(self, _: nn.Module, inputs: tuple[Any, ...], outputs: Outputs) -> None:
        """A forward hook of the bench's network."""
        if self.at_work:
            self.images, self.outputs = inputs[0], outputs

    def finish(self, _: nn.Module, __: Any, output: dict[str, Tensor]) -> dict[str, Tensor]:
        """A forward hook of the bench: forget the batch, and add what the other network of CoLAD lost."""
        more, self.more = self.more, {}
        self.at_work, self.images, self.outputs = False, None, None
        return output | more | {"loss": output["loss"] + more["teacher_loss"]} if more else output

    def batch_label_anchors(self, gt_boxes: Padded, gt_classes: Padded, filter_valid: bool = True) -> Labels:
        """Classes and encoded boxes of each level, and the number of positives of each image."""
        handle, bench, seen = self.handle, self.handle.model, None
        other: Any = None if handle.teacher is None else handle.teacher.module
        mine = self.predictions(bench, self.outputs) if "predictions" in handle.assigner.needs else None
        if handle.teacher is not None:
            with handle.teacher.at_work() as teacher:
                seen = teacher.model(self.images)
        theirs = None if seen is None else self.predictions(other, seen)
        gt = objects(gt_boxes, gt_classes, filter_valid)
        labels = to_effdet(handle.decide(self.priors, gt, mine, theirs), gt, bench.anchors)
        if handle.teacher is not None and handle.teacher.trains and seen is not None:
            names = ("teacher_loss", "teacher_class_loss", "teacher_box_loss")
            self.more = dict(zip(names, other.loss_fn(*seen, *labels), strict=True))
        return labels

    @property
    def priors(self) -> Priors:
        """The bench's anchors, made once for each device."""
        anchors = self.handle.model.anchors
        if self._priors is None or self._priors.boxes.device != anchors.boxes.device:
            self._priors = priors_of(anchors)
        return self._priors

    @staticmethod
    def predictions(bench: Any, outputs: Outputs) -> Predictions:
        """What a network says of all anchors, decoded by effdet's coder."""
        with torch.no_grad():
            scores, codes = ([level.permute(0, 2, 3, 1) for level in each] for each in outputs)
            flat = torch.cat([level.reshape(len(level), -1, bench.num_classes) for level in scores], 1)
            return Predictions(decode(codes, bench.anchors), flat)

    def __getstate__(self) -> dict[str, Any]:
        """Without the batch."""
        return vars(self) | {"images": None, "outputs": None, "more": {}, "at_work": False, "_priors": None}
