"""MONAI's RetinaNet of flat images."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from labelassign import checks
from labelassign.adapters.anchors import Anchors
from labelassign.adapters.encoding import decoded, local_rows, packed
from labelassign.adapters.handle import Handle
from labelassign.adapters.packages import need
from labelassign.adapters.teaching import inner
from labelassign.assigners.base import Assigner
from labelassign.structures import Predictions

# the encoding is torchvision's
from labelassign.adapters.torchvision.encoding import from_torchvision as from_monai  # isort: skip
from labelassign.adapters.torchvision.encoding import to_torchvision as to_monai  # isort: skip

__all__ = ["attach", "from_monai", "to_monai"]

WHO = "labelassign.adapters.monai.attach"


def attach(model: nn.Module, assigner: Assigner, *, teacher: nn.Module | None = None) -> Handle:
    """Let an assigner decide what a `RetinaNetDetector` of MONAI learns: one call instead of `set_…_matcher`.

    Losses, samplers and coder stay the model's. They know positives, background and ignored anchors, and no soft
    targets or weights.

    Arguments:
        model: a RetinaNetDetector with `spatial_dims` 2.
        assigner: any that takes anchors. `set_regular_matcher(hi, lo)` is
            `MaxIoU(hi, lo, "restore_argmax", zero_rescues=True, ignore_iof=None)`.
        teacher: for LAD and CoLAD another one over the same anchors; its network sees the same padded images. CoLAD's
            trains: its losses come with the model's, as `teacher_…`.
    Raises: TypeError for another model; ValueError for volumes, or anchors that are not the same.

    Example:
        >>> from labelassign.adapters.monai import attach
        >>> try:
        ...     attach(torch.nn.Linear(1, 1), la.ATSS())
        ... except TypeError as error:
        ...     print(str(error).partition(": ")[2])
        expected a RetinaNetDetector, got Linear. Pass the detector, not its network.
    """
    need("monai")
    from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector

    whole = inner(model)
    for role, each in (("", whole), ("teacher: ", teacher)):
        if each is not None and not isinstance(inner(each), RetinaNetDetector):
            fix = "Pass the detector, not its network."
            checks.fail(WHO, f"{role}a RetinaNetDetector", type(each).__name__, fix, TypeError)
    if whole.spatial_dims != 2:
        fix = "Boxes of volumes have six corners; labelassign knows four."
        checks.fail(WHO, "a detector of flat images (`spatial_dims` 2)", whole.spatial_dims, fix)
    made = Detector(Handle(WHO, whole, assigner, teacher))
    made.handle.hook(made.handle.model.network.register_forward_hook(made.see))
    made.handle.put(whole, "compute_loss", made)
    if not hasattr(whole, "proposal_matcher"):  # training asks for one, and reads its code of ignored anchors
        made.handle.put(whole, "proposal_matcher", NoMatcher())
    return made.handle.attached()


class NoMatcher:
    """Stands where a matcher was never set."""

    BETWEEN_THRESHOLDS = -2


class Detector:
    """Stands in for `compute_loss` of one detector."""

    def __init__(self, handle: Handle) -> None:
        """Of that handle's model."""
        self.handle, self.anchors = handle, Anchors(handle.who)
        self.seen: Any = None

    def see(self, _: Any, inputs: tuple[Any, ...], outputs: Any) -> None:
        """A forward hook of the network: the padded images, and its maps of classes."""
        self.seen = (inputs[0], [tuple(each.shape[-2:]) for each in self._maps(outputs)[0]])

    def _maps(self, outputs: Any) -> tuple[list[Tensor], list[Tensor]]:
        model = self.handle.model
        if isinstance(outputs, dict):
            both = [outputs[model.cls_key], outputs[model.box_reg_key]]
            return tuple([each] if isinstance(each, Tensor) else list(each) for each in both)  # pyright: ignore
        half = len(outputs) // 2
        return list(outputs[:half]), list(outputs[half:])

    def __call__(self, outputs: Any, targets: Any, anchors: list[Tensor], *_: Any) -> dict[str, Tensor]:
        """The losses of a batch."""
        handle, model = self.handle, self.handle.model
        (images, shapes), self.seen = self.seen, None
        per_cell = [model.num_anchors_per_loc] * len(shapes)
        priors = self.anchors.priors(anchors[0], images.shape[-2:], shapes, per_cell)
        mine = self._predictions(model, outputs, priors.boxes) if "predictions" in handle.assigner.needs else None
        theirs = said = None
        if handle.teacher is not None:
            with handle.teacher.at_work() as teacher:
                maps = self._maps(teacher.network(images))
                self.anchors.agree(lambda: teacher.anchor_generator(images, maps[0])[0])
                said = {
                    model.cls_key: teacher._reshape_maps(maps[0]),
                    model.box_reg_key: teacher._reshape_maps(maps[1]),
                }
                theirs = self._predictions(teacher, said, priors.boxes)
            classes = {"model": model.num_classes, "teacher": theirs.num_classes}
            checks.equal(handle.who, "number of classes", classes, "Both networks must know the same classes.")
        keys = (model.target_box_key, model.target_label_key)
        gt = packed("targets", *([each[key].to(anchors[0].device) for each in targets] for key in keys))
        rows = list(local_rows(handle.decide(priors, gt, mine, theirs)))
        losses = self._losses(model, outputs, targets, anchors, rows)
        if handle.teacher is not None and handle.teacher.trains:
            more = self._losses(handle.teacher.module, said, targets, anchors, rows)
            losses |= {f"teacher_{name}": value for name, value in more.items()}
        return losses

    def _losses(self, model: Any, outputs: Any, targets: Any, anchors: list[Tensor], rows: list[Tensor]) -> Any:
        keys = self.handle.model
        classes = model.compute_cls_loss(outputs[keys.cls_key], targets, rows)
        boxes = model.compute_box_loss(outputs[keys.box_reg_key], targets, anchors, rows)
        return {keys.cls_key: classes, keys.box_reg_key: boxes}

    def _predictions(self, model: Any, outputs: Any, anchors: Tensor) -> Predictions:
        with torch.no_grad():
            boxes = decoded(model.box_coder, outputs[self.handle.model.box_reg_key], anchors)
            return Predictions(boxes, outputs[self.handle.model.cls_key])

    def __getstate__(self) -> dict[str, Any]:
        """Without the batch."""
        return vars(self) | {"seen": None}
