"""detectron2: RetinaNet, FCOS, and the two stages of its R-CNNs.

It is not on PyPI, so this adapter is written against its public interface (0.6 and what came after it) and was tested
on a stand-in for it, never on detectron2 itself.
"""

from __future__ import annotations

from importlib import import_module

from torch import nn

from labelassign import checks
from labelassign.adapters.detectron2.dense import Dense, Points
from labelassign.adapters.detectron2.encoding import from_detectron2, to_detectron2
from labelassign.adapters.detectron2.events import log
from labelassign.adapters.detectron2.stages import Pooling, Proposing
from labelassign.adapters.handle import Handle
from labelassign.adapters.packages import need
from labelassign.adapters.teaching import inner
from labelassign.assigners.base import Assigner

__all__ = ["attach", "from_detectron2", "log", "to_detectron2"]

WHO = "labelassign.adapters.detectron2.attach"

KINDS = {
    "meta_arch.retinanet.RetinaNet": Dense,
    "meta_arch.fcos.FCOS": Points,
    "proposal_generator.rpn.RPN": Proposing,
    "roi_heads.roi_heads.ROIHeads": Pooling,
}


def attach(model: nn.Module, assigner: Assigner, *, teacher: nn.Module | None = None) -> Handle:
    """Let an assigner decide what a detectron2 model learns. Tested on a stand-in for detectron2 only.

    The stock losses and samplers stay: they know positives, background and, but for FCOS, ignored anchors; FCOS learns
    these as background. No loss here takes soft targets or weights. detectron2's loaders drop crowds, so there are no
    ignored regions.

    Arguments:
        model: RetinaNet, FCOS, or one stage of an R-CNN: `model.proposal_generator` (an RPN), whose sampler then draws
            from our labels, or `model.roi_heads` (the first stage of a cascade), for assigners that look at boxes
            alone: proposals of two networks are not the same.
        assigner: any that takes anchors. RetinaNet's own rule is `MaxIoU.retinanet()`, FCOS's `FCOS.torchvision()`,
            the stages' are `MaxIoU.rpn()` and `MaxIoU.rcnn()`, all at the thresholds of detectron2's base
            configurations.
        teacher: for LAD and CoLAD a detector of the same kind over the same anchors and classes; it sees what the
            model's backbone sees. LAD's only looks (eval mode, no gradient). CoLAD's trains: the model's losses then
            hold its own, too, as `teacher_…`; give the optimizer both (`Pair`). LAD of an RPN takes a whole R-CNN.
    Raises: ImportError without detectron2; TypeError for another model; ValueError for a teacher that does not fit.

    Example:
        >>> from labelassign.adapters.detectron2 import attach
        >>> try:
        ...     attach(torch.nn.Linear(1, 1), la.ATSS())
        ... except ImportError as error:  # where detectron2 is not installed
        ...     print(str(error).partition(". ")[2])
        It is not on PyPI; install it as https://detectron2.readthedocs.io/en/latest/tutorials/install.html says.
    """
    need("detectron2")
    whole = inner(model)
    fitting = [(kind, takes) for path, kind in KINDS.items() if isinstance(whole, takes := _named(path))]
    if not fitting:
        fix = "Of an R-CNN pass `model.proposal_generator` or `model.roi_heads`."
        checks.fail(WHO, "a RetinaNet, FCOS, or a stage", type(whole).__name__, fix, TypeError)
    kind, takes = fitting[0]
    return kind.attach(Handle(WHO, whole, assigner, teacher), takes)


def _named(path: str) -> type:
    module, _, name = path.rpartition(".")
    return getattr(import_module(f"detectron2.modeling.{module}"), name)
