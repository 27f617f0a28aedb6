"""The loss of a head, decided for the whole batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from labelassign import checks
from labelassign.adapters.handle import Handle, standing_in
from labelassign.adapters.mmdet.encoding import objects
from labelassign.adapters.mmdet.grid import Grid
from labelassign.adapters.mmdet.heads import Aligned, Anchored, Centred, Distances
from labelassign.adapters.mmdet.mixture import Mixed
from labelassign.adapters.mmdet.told import Told
from labelassign.structures import GroundTruth, Predictions, Priors

KINDS = (Mixed, Aligned, Distances, Centred, Anchored)
DECIDE = ("loss_by_feat", "get_targets", "_get_targets_single")  # where a head may have a rule of its own


def kind_of(head: Any) -> type[Anchored] | None:
    """The kind whose loss a head computes; None: another one."""
    for kind in KINDS:
        if isinstance(head, kind.takes):
            same = all(getattr(type(head), name) is getattr(kind.takes, name) for name in DECIDE)
            return kind if same and getattr(head, "assigner", None) is not None else None
    return None


class Losses:
    """Stands in for `loss_by_feat` of one head."""

    def __init__(self, handle: Handle, kind: Anchored, other: Anchored | None) -> None:
        """Of that handle's model; `other` is the teacher's kind of head."""
        self.handle, self.kind, self.other = handle, kind, other
        self.grid = Grid(handle.who)
        self.images: Any = None

    def see(self, _: Any, inputs: tuple[Any, ...]) -> None:
        """A forward pre-hook of the backbone: what the teacher is to see."""
        self.images = inputs[0]

    def __call__(self, *given: Any, batch_gt_instances_ignore: Sequence[Any] | None = None) -> dict[str, Any]:
        """The losses of a batch; given are the head's maps, objects and metadata of images, and ignored objects."""
        count = self.kind.outputs
        outputs, (found, metas, *more) = given[:count], given[count:]
        ignored = more[0] if more else batch_gt_instances_ignore
        handle, head, teacher = self.handle, head_of(self.handle.model), self.handle.teacher
        priors = self.grid.take(head, outputs[0], metas)
        gt = objects(found, ignored)
        rest = (found, metas, ignored)
        if self.kind.ranks and teacher is None:
            return self.late(head, priors, gt, outputs, rest)
        mine, theirs, seen = None, None, None
        if self.kind.ranks or "predictions" in handle.assigner.needs:
            mine = self.kind.predictions(head, outputs, priors)
        if teacher is not None and self.other is not None:
            images, self.images = self.images, None
            with teacher.at_work() as network:
                seen = network.bbox_head(network.extract_feat(images))
            self.grid.same(network.bbox_head, seen[0])
            theirs = self.other.predictions(network.bbox_head, seen, priors)
        decided = handle.decide(priors, gt, mine, theirs)
        losses = stock(self.kind, head, Told(decided, gt, priors, mine), outputs, rest)
        if teacher is not None and teacher.trains and self.other is not None:
            told = Told(decided, gt, priors, theirs)
            more = stock(self.other, teacher.module.bbox_head, told, seen, rest)
            losses |= {f"teacher_{name}": value for name, value in more.items()}
        return losses

    def late(self, head: Any, priors: Priors, gt: GroundTruth, outputs: Any, rest: tuple[Any, ...]) -> dict[str, Any]:
        """The losses where the head flattens and decodes what it says before it asks for targets: not done twice."""
        found, metas, ignored = rest

        def targets(scores: Tensor, boxes: Tensor, *given: Any, **options: Any) -> Any:
            mine = Predictions(boxes.detach(), scores.detach(), self.kind.scores_are(head))
            decided = self.handle.decide(priors, gt, mine, None)
            with self.kind.under(head, Told(decided, gt, priors, mine)):
                return type(head).get_targets(head, scores, boxes, *given, **options)

        with standing_in(head, get_targets=targets):
            return type(head).loss_by_feat(head, *outputs, found, metas, batch_gt_instances_ignore=ignored)

    def __getstate__(self) -> dict[str, Any]:
        """Without the batch."""
        return vars(self) | {"images": None}


def stock(kind: Anchored, head: Any, told: Told, outputs: Any, rest: tuple[Any, Any, Any]) -> dict[str, Any]:
    """A head's own losses under a decision."""
    found, metas, ignored = rest
    with kind.under(head, told):
        return type(head).loss_by_feat(head, *outputs, found, metas, batch_gt_instances_ignore=ignored)


def head_of(model: Any) -> Any:
    """A detector's head; a head is its own."""
    return getattr(model, "bbox_head", model)


def attach(handle: Handle, kind: type[Anchored], box_weight: str | None) -> Handle:
    """Put it into a model whose head is of that kind."""
    head, teacher, other = head_of(handle.model), handle.teacher, None
    if box_weight is not None and kind is not Mixed:
        fix = "Leave it out: other heads have one weighting."
        checks.fail(handle.who, "a PAAHead or LADHead beside `box_weight`", type(head).__name__, fix, TypeError)
    if teacher is not None:
        other = kind_of(getattr(teacher.module, "bbox_head", None))
        if other is None or not hasattr(handle.model, "backbone"):
            found = f"{type(handle.model).__name__} and {type(teacher.module).__name__}"
            fix = "Pass whole detectors, not heads: the teacher sees what the model's backbone sees."
            checks.fail(handle.who, "a detector and a teacher with heads of supported kinds", found, fix, TypeError)
    made = Losses(handle, _made(kind, box_weight), None if other is None else _made(other, box_weight))
    if teacher is not None:
        handle.hook(handle.model.backbone.register_forward_pre_hook(made.see))
    handle.put(head, "loss_by_feat", made)
    return handle.attached()


def _made(kind: type[Anchored], box_weight: str | None) -> Anchored:
    return Mixed(box_weight) if issubclass(kind, Mixed) else kind()
