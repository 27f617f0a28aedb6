"""YOLOX, of the package `pixeltable-yolox`."""

from __future__ import annotations

from typing import Any

from torch import nn

from labelassign import checks
from labelassign.adapters.handle import Handle
from labelassign.adapters.packages import need
from labelassign.adapters.teaching import inner
from labelassign.adapters.yolox.encoding import from_yolox, to_yolox
from labelassign.adapters.yolox.losses import Losing
from labelassign.assigners.base import Assigner

__all__ = ["attach", "from_yolox", "to_yolox"]

WHO = "labelassign.adapters.yolox.attach"


def attach(model: nn.Module, assigner: Assigner, *, teacher: nn.Module | None = None, scale: float = 5.0) -> Handle:
    """Let an assigner decide what a YOLOX learns, for the whole batch at once.

    The stock losses stay: the class target of a positive is its predicted overlap, whoever decides, and soft targets
    and weights have no place. There is no state for ignored points, which are background.

    Arguments:
        model: `YoloxModule` (upstream: `YOLOX`).
        assigner: any that takes points or boxes; the stock rule is `SimOTA.yolox()`.
        teacher: for LAD and CoLAD another one with the same strides and classes; it sees the same images. CoLAD's
            trains: its loss is part of "total_loss".
        scale: side, in strides, of the squares that stand for points where an assigner asks for boxes.
    Raises: TypeError for another model; ValueError for another grid.

    Example:
        >>> from labelassign.adapters.yolox import attach
        >>> from yolox.models import YoloPafpn, YoloxHead, YoloxModule
        >>> model = YoloxModule(YoloPafpn(0.33, 0.125), YoloxHead(2, 0.125))
        >>> with attach(model, la.TaskAligned()) as handle:
        ...     losses = model(torch.rand(1, 3, 64, 64), torch.tensor([[[1.0, 30, 30, 20, 40]]]))
        ...     handle.stats["objects"]
        1
    """
    need("yolox")
    whole: Any = inner(model)
    second: Any = None if teacher is None else inner(teacher)
    for role, each in (("", whole), ("a teacher: ", second)):
        if each is not None and not hasattr(getattr(each, "head", None), "get_assignments"):
            found, fix = type(each).__name__, "Pass the module that holds backbone and head."
            checks.fail(WHO, f"{role}a YoloxModule (YOLOX)", found, fix, TypeError)
    if second is not None:
        counts = {"model": whole.head.num_classes, "teacher": second.head.num_classes}
        checks.equal(WHO, "number of classes", counts, "Both networks must know the same classes.")
    handle = Handle(WHO, whole, assigner, teacher)
    handle.put(handle.model.head, "get_losses", Losing(handle, scale))
    return handle.attached()
