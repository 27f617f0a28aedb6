"""Importing this makes our assigners known to mmdet's configs: `assigner=dict(type='labelassign.ATSS', topk=9)`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import torch
from mmdet.models.task_modules.assigners import BaseAssigner
from mmengine.registry import TASK_UTILS, Registry
from torch import Tensor

from labelassign import checks
from labelassign.adapters.mmdet.configs import made
from labelassign.adapters.mmdet.encoding import objects, to_mmdet
from labelassign.assigners.base import Assigner
from labelassign.structures import Predictions, Priors

# how mmdet's heads call assigners of the same name: what their priors and their scores are
KNOWN = {
    "ATSS": ("boxes", "sigmoid_logits"),
    "MaxIoU": ("boxes", "sigmoid_logits"),
    "PAA": ("boxes", "sigmoid_logits"),
    "OTA": ("points", "sigmoid_logits"),
    "SimOTA": ("points", "sigmoid_logits"),
    "DynamicSoftLabel": ("points", "sigmoid_logits"),
    "TaskAligned": ("boxes", "probs"),
    "Hungarian": ("queries", "softmax_logits"),
}
LEVELS = ("ATSS", "PAA")


class Registered(BaseAssigner):  # pyright: ignore[reportUntypedBaseClass]
    """One of our assigners as mmdet calls one: image by image, which waits for the device; `attach` does not.

    In a config beside `custom_imports = dict(imports=["labelassign.adapters.mmdet.registry"])`:

        assigner=dict(type="labelassign.ATSS", topk=9)
        assigner=dict(type="labelassign.TaskAligned", preset="tood", topk=10)

    LAD and CoLAD see a second network, which no such call has: `attach` does those. ATSS and PAA look at levels, which
    only ATSSHead and its kin tell; elsewhere `attach`, too.

    Arguments:
        name: one of `KNOWN`; what follows "labelassign." in a config.
        preset: one of its presets, like "mmdet"; None: the plain class.
        priors: "boxes", "points" (x, y, stride, stride) or "queries"; None: as mmdet has it for that method.
        scores_are: see `Predictions`; None: as mmdet has it for that method. Also "softmax_logits" for Hungarian.
        options: of the assigner; they change the preset.
    Raises: ValueError for unknown names, and for predictions or levels that a head does not pass.
    """

    def __init__(
        self,
        name: str,
        *,
        preset: str | None = None,
        priors: str | None = None,
        scores_are: str | None = None,
        **options: Any,
    ) -> None:
        """Make the assigner."""
        who = f"labelassign.{name}"
        checks.choice(who, "type", name, KNOWN)
        kind, scores = KNOWN[name]
        self.who, self.priors, self.scores_are = who, priors or kind, scores_are or scores
        checks.choice(who, "priors", self.priors, ("boxes", "points", "queries"))
        self.assigner: Assigner = made({"type": name, "preset": preset, **options})
        self.levels = name in LEVELS and self.priors == "boxes"

    def assign(
        self, pred_instances: Any, *given: Any, img_meta: Any = None, gt_instances: Any = None, **others: Any
    ) -> Any:
        """One `AssignResult`.

        Arguments:
            pred_instances: `priors`, and `scores` and `bboxes` where the method needs them.
            given: sizes of levels (where the head knows them), objects, ignored objects; or the latter by their name.
            img_meta: for Hungarian, whose costs are shares of the image.
            gt_instances: see `given`.
            others: `gt_instances_ignore`; exponents that TOODHead passes are the assigner's own options here.
        """
        rest = list(given)
        sizes = tuple(rest.pop(0)) if rest and isinstance(rest[0], (list, tuple)) else None
        found = gt_instances if gt_instances is not None else rest.pop(0)
        ignored = others.get("gt_instances_ignore", rest.pop(0) if rest else None)
        gt = objects([found], [ignored])
        if img_meta is not None:
            size = torch.tensor([img_meta["img_shape"][:2]], dtype=torch.float32, device=gt.boxes.device)
            gt = replace(gt, image_sizes=size)
        priors, said = self._priors(pred_instances, sizes), self._predictions(pred_instances)
        assignment = self.assigner(priors, gt, said)
        # what mmdet's have there: overlaps of predictions if the method reads them
        found = None if said is None else assignment.overlap(said.boxes, gt)
        result = to_mmdet(assignment, gt, overlaps=found)[0]
        result.assign_metrics = assignment.quality[0]
        return result

    def _priors(self, given: Any, sizes: tuple[int, ...] | None) -> Priors:
        if self.priors == "queries":
            return Priors.queries(len(given.scores), device=given.scores.device)
        if self.levels and sizes is None:
            fix = "Use it in an ATSSHead, or `labelassign.adapters.mmdet.attach`."
            checks.fail(self.who, "a head that tells the sizes of levels", "one that does not", fix)
        boxes: Tensor = getattr(given.priors, "tensor", given.priors).float()
        if self.priors == "boxes":
            return Priors(boxes, sizes or (len(boxes),))
        stride = boxes[:, 2]
        sizes = sizes or tuple(stride.unique_consecutive(return_counts=True)[1].tolist())
        return Priors(boxes[:, [0, 1, 0, 1]], sizes, stride.contiguous(), kind="points")

    def _predictions(self, given: Any) -> Predictions | None:
        there = "scores" in given and "bboxes" in given
        if not there and "predictions" not in self.assigner.needs:
            return None
        if not there:
            fix = "Use `labelassign.adapters.mmdet.attach`, which reads what the head predicts."
            checks.fail(self.who, "a head that passes `scores` and `bboxes`", f"only {given.keys()}", fix)
        boxes = getattr(given.bboxes, "tensor", given.bboxes)
        return Predictions(boxes.detach()[None], given.scores.detach()[None], self.scores_are)


NAMES = Registry("labelassign task util", parent=TASK_UTILS, scope="labelassign")
for _name in KNOWN:  # mmengine builds from anything callable
    named: Any = partial(Registered, _name)
    NAMES.register_module(name=_name, module=named)
