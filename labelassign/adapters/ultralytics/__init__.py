"""ultralytics' detectors: YOLOv8 to YOLO26, in their own trainer or in a loop of yours."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from labelassign import checks
from labelassign.adapters.packages import need
from labelassign.adapters.teaching import inner, trains_both
from labelassign.adapters.ultralytics.branches import Branches, check_teacher, is_detector
from labelassign.adapters.ultralytics.encoding import from_ultralytics, to_ultralytics
from labelassign.adapters.ultralytics.losses import Losing
from labelassign.adapters.ultralytics.training import Training
from labelassign.assigners.base import Assigner

__all__ = ["attach", "from_ultralytics", "to_ultralytics"]

WHO = "labelassign.adapters.ultralytics.attach"


def attach(
    model: nn.Module,
    assigner: Assigner,
    *,
    one2one: Assigner | None = None,
    teacher: nn.Module | None = None,
    scale: float = 8.0,
) -> Branches:
    """Let assigners decide what a detector of ultralytics learns.

    The stock losses stay. They have no state for ignored priors, which become background, and no weights of priors;
    `cls_target` is the score that a positive learns, the weight of its box, and, summed over the batch, the divisor of
    all losses. `TaskAligned` and `SimOTA` give soft ones; of hard assigners it is 1, so that the divisor is the number
    of positives.

    A `YOLO` is reached through its public callbacks: everything that its `train` makes, the average that is validated
    included, until `detach`. Checkpoints hold nothing of ours; a resumed run counts its steps on. Loggers of the
    trainer get `handle.stats` as "assignment/…". (For several devices it starts processes, without callbacks.)
    `handle.last` has a row for every padded object: the real ones first, image by image (`gt.pad_to`).

    Arguments:
        model: a `YOLO` of task "detect", or its detection model in a loop of yours (with `args` set, as a trainer
            does). The stock rule is `TaskAligned.ultralytics()`.
        assigner: any; that of the one-to-many branch in YOLOv10 and YOLO26.
        one2one: of their one-to-one branch; None: the stock rule, `TaskAligned.yolo26_one2one()`. Without NMS that
            branch must learn one prior per object: an assigner that gives several teaches it duplicates.
        teacher: for LAD and CoLAD a `YOLO` or detection model with the same classes and strides; it sees the images of
            the batch. LAD's only looks (eval mode, no gradient; `train` moves it to its device). CoLAD's trains, in a
            loop of yours (`Pair`): its losses are added, their values named `teacher_…`, under the same owners in
            branches with CoLAD; `criterion.update()`, where there is one, is called for each network.
        scale: points become squares of so many strides for assigners that look at boxes, as in ATSS on points (Zhang
            et al., 2020, arXiv:1912.02424: 8; PaddleDetection's PP-YOLOE: 5).
    Raises: TypeError for another model; ValueError for a teacher of another grid or with other classes.

    Example:
        >>> from ultralytics import YOLO
        >>> from labelassign.adapters.ultralytics import attach
        >>> model = YOLO("yolov8n.yaml")
        >>> with attach(model, la.LAD(la.TaskAligned.ultralytics()), teacher=YOLO("yolov8s.yaml")) as handle:
        ...     handle.stats  # model.train(data="coco8.yaml") fills them
        {}
    """
    need("ultralytics")
    whole, mentor = inner(model), None if teacher is None else _detector(inner(teacher))
    if not is_detector(_detector(whole)):
        fix = 'Pass a YOLO("yolov8n.yaml"), or its `.model`.'
        known = "a YOLO of task detect, or a detection model of YOLOv8, 11 or 26"
        checks.fail(WHO, known, f"{type(whole).__name__} over {type(_detector(whole)).__name__}", fix, TypeError)
    if not hasattr(whole, "add_callback"):
        return _bare(whole, (assigner, one2one), mentor, scale=scale)
    handle = Branches.over(WHO, whole, _detector(whole), (assigner, one2one), mentor)
    if any(each is not None and trains_both(each) for each in handle.assigners):
        fix = "Its optimizer holds one network: attach to both `.model`s in a loop of yours, or take LAD."
        checks.fail(WHO, "LAD or an assigner without teacher for `YOLO.train`", "CoLAD", fix)
    Training(handle, partial(_bare, scale=scale)).register()
    return handle.attached()


def _detector(model: Any) -> Any:
    """The detection model of a `YOLO`; anything else as it is."""
    return model.model if hasattr(model, "add_callback") else model


def _bare(model: Any, assigners: Any, teacher: nn.Module | None, *, scale: float) -> Branches:
    handle = Branches.over(WHO, model, model, assigners, teacher)
    check_teacher(handle, model)
    handle.put(model, "loss", Losing(handle, scale))
    return handle.attached()
