"""RF-DETR, whose queries train in groups: each group is assigned by itself."""

from __future__ import annotations

from torch import nn

from labelassign import checks
from labelassign.adapters.handle import NAME, Handle
from labelassign.adapters.packages import need
from labelassign.adapters.rfdetr.encoding import from_rfdetr, to_rfdetr
from labelassign.adapters.rfdetr.matching import Matching
from labelassign.adapters.teaching import inner, inside
from labelassign.assigners.base import Assigner

__all__ = ["attach", "from_rfdetr", "to_rfdetr"]

WHO = "labelassign.adapters.rfdetr.attach"


def attach(model: nn.Module, assigner: Assigner, *, teacher: nn.Module | None = None) -> Handle:
    """Let an assigner decide what the queries of an RF-DETR learn, in Lightning or any other loop.

    The stock losses stay. All decoder layers, the encoder's proposals and all groups of queries are one call: to the
    handle, images are counted once for each of them. The losses take several queries per object, and still divide by
    the number of objects and groups; they know no ignored queries (which learn "no object"), soft targets or weights.
    Padded targets (`pad_targets_to`) are left out, crowds are so by RF-DETR's data sets. Masks and keypoints are
    learned by the queries that got the boxes; they have no part in the costs.

    Arguments:
        model: an `RFDETRModelModule` of `rfdetr.training`, or the `SetCriterion` of a loop of yours.
        assigner: `Hungarian`, or your own that takes queries; others ask where a prior lies. RF-DETR's own rule for
            boxes is `Hungarian.dino()`, without `groups`.
        teacher: None. LAD and CoLAD need networks of which query i is the same, but RF-DETR's encoder picks the queries
            of each image.
    Raises: TypeError for other models, LAD and CoLAD; ValueError for assigners that ask where a prior lies, or that
    make groups of their own.

    Example:
        >>> from labelassign.adapters.rfdetr import attach
        >>> from rfdetr.models.criterion import SetCriterion
        >>> from rfdetr.models.matcher import HungarianMatcher
        >>> criterion = SetCriterion(3, HungarianMatcher(2, 5, 2), {"loss_bbox": 5}, 0.25, ["boxes"], group_detr=13)
        >>> said = {"pred_logits": torch.randn(1, 13 * 6, 3), "pred_boxes": torch.rand(1, 13 * 6, 4)}
        >>> with attach(criterion, la.Hungarian.dino()) as handle:
        ...     losses = criterion(said, [{"labels": torch.tensor([0, 2]), "boxes": torch.rand(2, 4)}])
        ...     handle.stats["positives"]
        26
    """
    need("rfdetr")
    # after the check: both import what it looks for
    from rfdetr.models.criterion import SetCriterion

    from labelassign.adapters.transformers.fitting import refuse_places

    whole = inner(model)
    criterion = getattr(whole, "criterion", whole)
    if not isinstance(criterion, SetCriterion):
        fix = "`RFDETR.train` makes a module of its own: give that class to `build_trainer(...).fit` yourself."
        checks.fail(WHO, "an RFDETRModelModule or its criterion", type(whole).__name__, fix, TypeError)
    if teacher is not None or "teacher" in getattr(assigner, "needs", ()):
        fix = "RF-DETR's encoder picks the queries of each image: query i of another network is not this one's."
        checks.fail(WHO, "an assigner without a teacher", type(assigner).__name__, fix, TypeError)
    _, handle = (Handle(WHO, each, assigner, None) for each in (criterion, whole))  # neither may have one
    refuse_places(WHO, assigner)
    _refuse_groups(assigner)
    made = Matching(handle)
    handle.hook(criterion.register_forward_pre_hook(made.see, with_kwargs=True))
    handle.hook(criterion.register_forward_hook(made.forget))
    handle.put(criterion, "matcher", made)
    handle.put(criterion, NAME, handle)
    return handle.attached()


def _refuse_groups(assigner: Assigner) -> None:
    for part in inside(assigner):
        _refuse_groups(part)
    groups = getattr(assigner, "groups", 1)
    if groups != 1:
        fix = "Leave it out: the groups of RF-DETR's training come to the assigner one by one, as images."
        checks.fail(WHO, "an assigner with `groups=1`", f"groups={groups}", fix)
