"""Soft-label distillation of a whole head: class scores, boxes and the IoU branch under one normaliser."""

from __future__ import annotations

from dataclasses import dataclass

import torch.distributed as dist
from jaxtyping import Bool, Float
from torch import Tensor

from labelassign.checks import choice, fail
from labelassign.replicas import mean_over_ranks
from labelassign.structures import GroundTruth

from . import _checks as checks
from ._elementwise import KINDS, Kind
from .boxes import localisation_distillation
from .kl import focal_kl
from .outputs import HeadOutputs
from .selection import select_boxes


@dataclass(frozen=True, slots=True)
class SoftDistillation:
    """Distil a teacher's class scores, boxes and IoU branch into a student that shares its priors.

    - cls: `focal_kl` over all priors and all classes.
    - box: `localisation_distillation` over the teacher's boxes with IoU > `min_iou` to an object, weighted by it.
    - iou: `focal_kl` over the IoU logits of the same priors, each counted once.

    All three are divided by one number: the sum of the selected IoUs, averaged over the replicas, and clamped to at
    least 1 last. A batch without objects therefore keeps its class term and has 0, with a gradient of 0, for the rest.

    Source: Nguyen et al., "Improving Object Detection by Label Assignment Distillation", WACV 2022, arXiv:2108.10520,
    soft-label distillation and SoLAD. Differs from the published code: that divides by the sum as it is, which is 0
    when nothing is selected, and stops with an error when no image has objects; its soft-label configurations leave
    `min_iou` at 0.1 although their names (i05) say 0.5, so `SoftDistillation.pure(min_iou=0.1)` is what ran; it clips
    both networks' boxes to the image, here the caller does. The paper does not say which priors the IoU branch is
    distilled on: the selected ones are our reading.

    Arguments:
        cls_weight, box_weight, iou_weight: factor of each term, at least 0.
        gamma, smooth: of both `focal_kl` terms.
        min_iou: of `select_boxes`.
        inputs: whether `HeadOutputs.cls` holds logits or, for heads that multiply probabilities, "probs".

    Raises:
        ValueError: an argument is out of range.
        TypeError: an argument is not a number.

    Example:
        >>> from labelassign.distill.losses import HeadOutputs, SoftDistillation
        >>> gt = la.GroundTruth.from_list([{"boxes": [[0, 0, 4, 4]], "labels": [0]}])
        >>> teacher = HeadOutputs(torch.tensor([[[4.0], [-4.0]]]), torch.tensor([[[0.0, 0, 4, 3], [8, 8, 9, 9]]]))
        >>> student = HeadOutputs(torch.zeros(1, 2, 1), torch.tensor([[[0.0, 0, 4, 4], [0, 0, 1, 1]]]))
        >>> losses = SoftDistillation.solad()(student, teacher, gt)
        >>> {name: round(loss.item(), 2) for name, loss in losses.items()}
        {'cls': 1.67, 'box': 0.24, 'iou': 0.0}
    """

    cls_weight: float = 2.0
    box_weight: float = 1.3
    iou_weight: float = 10.0
    gamma: float = 0.5
    min_iou: float = 0.5
    smooth: float = 1e-6
    inputs: Kind = "logits"

    def __post_init__(self) -> None:
        """Check the configuration."""
        who = "SoftDistillation"
        for name in ("cls_weight", "box_weight", "iou_weight", "gamma", "smooth"):
            checks.number(who, name, getattr(self, name))
        checks.number(who, "min_iou", self.min_iou, below=1.0)
        choice(who, "inputs", self.inputs, KINDS)

    @classmethod
    def solad(cls, *, min_iou: float = 0.5) -> SoftDistillation:
        """The terms that SoLAD adds to the losses of label assignment distillation: cls 2, box 1.3, iou 10."""
        return cls(cls_weight=2.0, box_weight=1.3, iou_weight=10.0, gamma=0.5, min_iou=min_iou)

    @classmethod
    def pure(cls, *, min_iou: float = 0.5) -> SoftDistillation:
        """Soft labels alone, no loss on ground truth: cls 10, box 1.3, iou 10."""
        return cls(cls_weight=10.0, box_weight=1.3, iou_weight=10.0, gamma=0.5, min_iou=min_iou)

    def __call__(
        self,
        student: HeadOutputs,
        teacher: HeadOutputs,
        gt: GroundTruth,
        *,
        valid: Bool[Tensor, "B N"] | None = None,
        reduce: bool = False,
        group: dist.ProcessGroup | None = None,
    ) -> dict[str, Float[Tensor, ""]]:
        """The three weighted losses.

        Arguments:
            student: receives the gradient.
            teacher: the same shapes; receives none.
            gt: packed ground truth of the batch, see `select_boxes`.
            valid: [B, N]; priors that are False (outside the image, padding) take part in no term. None: all do,
                as published.
            reduce: average the normaliser over the replicas of `group`. Every replica must then call, those without
                objects too.
            group: process group for `reduce`; None is the default group.

        Returns:
            "cls", "box" and "iou", 0-d each; "iou" is 0 where neither network has the branch.

        Raises:
            ValueError: shapes or devices differ, or one network alone has an IoU branch.
            TypeError: a prediction is not a floating point tensor.
        """
        who = "SoftDistillation"
        checks.same(who, "teacher.cls", teacher.cls, "student.cls", student.cls)
        checks.same(who, "student.boxes[..., 0]", student.boxes[..., 0], "student.cls[..., 0]", student.cls[..., 0])
        selected = select_boxes(teacher.boxes, gt, min_iou=self.min_iou)
        if valid is not None:
            checks.same(who, "valid", valid, "student.boxes[..., 0]", student.boxes[..., 0])
            selected = selected * valid
        total = selected.sum()
        normalizer = mean_over_ranks(total, reduce, group).clamp_min(1.0)
        everywhere = None if valid is None else valid[..., None]
        cls = self._soft(student.cls, teacher.cls, everywhere, self.inputs) / normalizer
        box = localisation_distillation(student.boxes, teacher.boxes, selected, normalizer)
        iou = self._iou_term(student.iou, teacher.iou, selected) / normalizer
        return {"cls": self.cls_weight * cls, "box": self.box_weight * box, "iou": self.iou_weight * iou}

    def _soft(self, student: Tensor, teacher: Tensor, weight: Tensor | None, inputs: Kind) -> Tensor:
        return focal_kl(
            student, teacher, gamma=self.gamma, smooth=self.smooth, inputs=inputs, weight=weight, reduction="sum"
        )

    def _iou_term(self, student: Tensor | None, teacher: Tensor | None, selected: Tensor) -> Tensor:
        if student is None and teacher is None:
            return selected.new_zeros(())
        if student is None or teacher is None:
            got = f"student.iou {_shape(student)}, teacher.iou {_shape(teacher)}"
            expected = "an IoU branch in both networks or in neither"
            fail("SoftDistillation", expected, got, "Pass iou=None in both.")
        checks.same("SoftDistillation", "student.iou", student, "student.boxes[..., 0]", selected)
        return self._soft(student, teacher, selected > 0, "logits")


def _shape(value: Tensor | None) -> str:
    return "None" if value is None else str(list(value.shape))
