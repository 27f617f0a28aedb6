"""torchvision's detectors: RetinaNet, FCOS, SSD, and the two stages of Faster R-CNN."""

from __future__ import annotations

from torch import nn

from labelassign import checks
from labelassign.adapters.handle import Handle
from labelassign.adapters.packages import need
from labelassign.adapters.teaching import inner
from labelassign.adapters.torchvision.encoding import from_torchvision, to_torchvision
from labelassign.assigners.base import Assigner

__all__ = ["attach", "from_torchvision", "to_torchvision"]

WHO = "labelassign.adapters.torchvision.attach"


def attach(model: nn.Module, assigner: Assigner, *, teacher: nn.Module | None = None) -> Handle:
    """Let an assigner decide what a torchvision detector learns.

    The stock losses stay: they know positives, background and, in RetinaNet and both stages of Faster R-CNN, ignored
    priors. FCOS and SSD have no such state and learn ignored priors as background. No stock loss here takes soft
    targets or weights. Objects with "iscrowd" are ignored regions.

    Arguments:
        model: RetinaNet, FCOS, SSD, or one stage of Faster R-CNN: `model.rpn` or `model.roi_heads` (the latter for
            assigners that look at boxes alone: proposals of two networks are not the same).
        assigner: any that takes anchors. RetinaNet's own rule is `MaxIoU.retinanet()`, FCOS's `FCOS.torchvision()`,
            SSD's `MaxIoU.ssd()`; of the stages `MaxIoU.rpn()` and `MaxIoU.rcnn()`.
        teacher: for LAD and CoLAD a detector of the same kind over the same anchors; it sees what the model's
            backbone sees. LAD's only looks (eval mode, no gradient). CoLAD's trains: the model's losses then hold
            its own, too, as `teacher_…`; give the optimizer both (`Pair`).
    Raises: TypeError for another model; ValueError for anchors that are not the same.

    Example:
        >>> from torchvision.models.detection import ssdlite320_mobilenet_v3_large as detector
        >>> from labelassign.adapters.torchvision import attach
        >>> model = detector(weights=None, weights_backbone=None, num_classes=81)
        >>> targets = [{"boxes": each["boxes"], "labels": each["labels"] + 1} for each in gt.to_list()]
        >>> with attach(model, la.ATSS()) as handle:
        ...     losses = model(list(torch.rand(2, 3, 320, 320)), targets)
        ...     handle.stats["objects"]
        3
    """
    need("torchvision")
    # after the check: both import torchvision
    from labelassign.adapters.torchvision import dense, stages

    whole = inner(model)
    fitting = [kind for kind in (*dense.KINDS, *stages.KINDS) if isinstance(whole, kind.takes)]
    if not fitting:
        known, fix = "a RetinaNet, FCOS, SSD, or a stage", "Of Faster R-CNN pass `model.rpn` or `model.roi_heads`."
        checks.fail(WHO, known, type(whole).__name__, fix, TypeError)
    return fitting[0].attach(Handle(WHO, whole, assigner, teacher))
