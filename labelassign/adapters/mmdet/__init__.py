"""mmdet's detectors: RetinaNet, ATSS, PAA, LAD, TOOD and RTMDet; `registry` has assigners that a config names."""

from __future__ import annotations

from typing import Any

from torch import nn

from labelassign import checks
from labelassign.adapters.handle import Handle
from labelassign.adapters.mmdet.encoding import from_mmdet, to_mmdet
from labelassign.adapters.packages import need
from labelassign.adapters.teaching import inner
from labelassign.assigners.base import Assigner

__all__ = ["attach", "from_mmdet", "to_mmdet"]

WHO = "labelassign.adapters.mmdet.attach"


def attach(
    model: nn.Module, assigner: Assigner, *, teacher: nn.Module | None = None, box_weight: str | None = None
) -> Handle:
    """Let an assigner decide what an mmdet detector learns, the whole batch at once.

    The stock losses stay. They know positives, background and ignored anchors; RTMDet and TOOD also learn soft class
    targets (predicted overlaps; `quality` scaled to them). Other heads have no place for soft targets and weights.
    Instances in `ignored_instances` are ignored regions. In ATSSHead anchors outside of their object have centerness 0.

    Arguments:
        model: a one-stage detector, or its head: RetinaHead (any head with the loss of AnchorHead), ATSSHead, PAAHead,
            TOODHead, RTMDetHead, built with a `train_cfg`; or mmdet's LAD, whose own teacher decides.
        assigner: any that takes anchors. The heads' own rules are `MaxIoU.mmdet_retinanet()`, `ATSS.mmdet()`,
            `PAA.mmdet()`, `TaskAligned.tood()`, `DynamicSoftLabel.rtmdet()`, and `LAD(PAA.mmdet())` of mmdet's LAD.
            RTMDet's points are squares of 8 strides to methods that look at boxes.
        teacher: for LAD and CoLAD a detector over the same anchors, with any of these heads; it sees what the model's
            backbone sees. LAD's only looks (eval mode, no gradient). CoLAD's trains: the model's losses then hold
            its own, too, as `teacher_…`; give the optimizer both (`Pair`).
        box_weight: for PAAHead and LADHead: "iou" (PAA's own) or "none" (LAD's own); None leaves it.
    Raises: TypeError for another model; ValueError for anchors that are not the same.

    Example:
        >>> from mmdet.models import ATSSHead
        >>> from mmengine.config import ConfigDict
        >>> from mmengine.structures import InstanceData
        >>> from labelassign.adapters.mmdet import attach
        >>> rule = ConfigDict(assigner={"type": "ATSSAssigner", "topk": 9}, allowed_border=-1, pos_weight=-1)
        >>> grid = {"octave_base_scale": 8, "scales_per_octave": 1, "ratios": [1.0], "strides": [8, 16]}
        >>> boxes = {"reg_decoded_bbox": True, "loss_bbox": {"type": "GIoULoss"}}
        >>> grid["type"], shape = "AnchorGenerator", (128, 160)
        >>> head = ATSSHead(10, 8, feat_channels=32, stacked_convs=1, anchor_generator=grid, train_cfg=rule, **boxes)
        >>> maps, found = (torch.rand(1, 8, 16, 20), torch.rand(1, 8, 8, 10)), InstanceData(bboxes=gt.boxes[:2])
        >>> found.labels = gt.labels[:2]
        >>> with attach(head, la.PAA()) as handle:
        ...     losses = head.loss_by_feat(*head(maps), [found], [{"img_shape": shape, "pad_shape": shape}])
        ...     sorted(losses), handle.stats["objects"]
        (['loss_bbox', 'loss_centerness', 'loss_cls'], 2)
    """
    need("mmdet")
    # after the check: both import mmdet
    from labelassign.adapters.mmdet import losses, mixture

    checks.choice(WHO, "box_weight", box_weight, (None, *mixture.BOX_WEIGHTS))
    whole: Any = inner(model)
    if hasattr(whole, "teacher_model") and isinstance(whole.bbox_head, mixture.Teaching.takes):
        if teacher is not None:
            fix = "Leave `teacher` out, or attach to a detector with a PAAHead."
            checks.fail(WHO, "no teacher beside mmdet's LAD, which has its own", type(teacher).__name__, fix)
        own = whole.teacher_model if "teacher" in assigner.needs else None
        return mixture.Teaching.attach(Handle(WHO, whole, assigner, own), box_weight)
    head = losses.head_of(whole)
    kind = losses.kind_of(head)
    if kind is None:
        known = "a detector with a RetinaHead, ATSSHead, PAAHead, TOODHead or RTMDetHead, or mmdet's LAD"
        fix = "A head needs a `train_cfg`, and must keep the loss of one of these."
        checks.fail(WHO, known, f"{type(whole).__name__} ({type(head).__name__})", fix, TypeError)
    return losses.attach(Handle(WHO, whole, assigner, teacher), kind, box_weight)
