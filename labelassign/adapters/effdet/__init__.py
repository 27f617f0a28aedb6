"""EfficientDet of the package effdet."""

from __future__ import annotations

from torch import nn

from labelassign import checks
from labelassign.adapters.effdet.encoding import from_effdet, to_effdet
from labelassign.adapters.handle import Handle
from labelassign.adapters.packages import need
from labelassign.adapters.teaching import inner
from labelassign.assigners.base import Assigner

__all__ = ["attach", "from_effdet", "to_effdet"]

WHO = "labelassign.adapters.effdet.attach"


def attach(model: nn.Module, assigner: Assigner, *, teacher: nn.Module | None = None) -> Handle:
    """Let an assigner decide what an EfficientDet learns, in training and for the loss of evaluation.

    The stock losses stay: they know positives, background and ignored anchors, and divide by the number of positives;
    they take no soft targets or weights. effdet has no ignored regions: rows of class -1 are padding.

    Arguments:
        model: the bench, `DetBenchTrain`. If it has no labeler, because the loader labels, it gets one; then the
            targets need "bbox" and "cls" beside what the loader made, which is not looked at.
        assigner: any that takes anchors. effdet's own rule is
            `MaxIoU(0.5, 0.5, zero_rescues=True, all_ties=False, ignore_iof=None)`, but for two objects that claim one
            anchor, of which effdet serves the first, and ours the one that overlaps it more.
        teacher: for LAD and CoLAD a bench over the same anchors and classes; it sees what the model sees. LAD's only
            looks (eval mode, no gradient). CoLAD's trains: "loss" then holds its own, too, beside "teacher_loss",
            "teacher_class_loss" and "teacher_box_loss"; give the optimizer both (`Pair`).
    Raises: TypeError for another model; ValueError for a teacher with other anchors or classes.

    Example:
        >>> from effdet import DetBenchTrain, EfficientDet, get_efficientdet_config
        >>> from labelassign.adapters.effdet import attach
        >>> config = get_efficientdet_config("efficientdet_d0")
        >>> config.update({"image_size": (128, 128), "num_classes": 3, "fpn_channels": 16, "fpn_cell_repeats": 1})
        >>> model = DetBenchTrain(EfficientDet(config, pretrained_backbone=False))
        >>> target = {"bbox": torch.tensor([[[20.0, 10, 60, 90]]] * 2), "cls": torch.tensor([[1], [-1]])}
        >>> with attach(model, la.ATSS()) as handle:
        ...     losses = model(torch.rand(2, 3, 128, 128), target)
        ...     handle.stats["objects"]
        1
    """
    need("effdet")
    # after the check: it imports effdet
    from labelassign.adapters.effdet.labeler import Labeler

    return Labeler.attach(Handle(WHO, _bench(model), assigner, None if teacher is None else _bench(teacher)))


def _bench(model: nn.Module) -> nn.Module:
    from effdet import DetBenchTrain

    whole = inner(model)
    if not isinstance(whole, DetBenchTrain):
        checks.fail(WHO, "a DetBenchTrain", type(whole).__name__, "Wrap the network: `DetBenchTrain(net)`.", TypeError)
    return whole
