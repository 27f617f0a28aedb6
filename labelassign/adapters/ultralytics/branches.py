"""The branches of a head, each with an assigner: one-to-many, and in YOLOv10 and YOLO26 one-to-one beside it."""

from __future__ import annotations

from typing import Any, Self

from torch import nn

from labelassign import checks
from labelassign.adapters.handle import Handle
from labelassign.assigners.base import Assigner
from labelassign.assigners.task_aligned import TaskAligned

HEADS = ("Detect", "v10Detect")
MANY, ONE = "one2many", "one2one"


class Branches(Handle):
    """A `Handle`; `one2one` is that of the one-to-one branch, None where the model has none."""

    def __init__(
        self, who: str, model: nn.Module, assigner: Assigner, one2one: Assigner | None, teacher: nn.Module | None
    ) -> None:
        """Check that assigners, branches and teacher fit; changes nothing yet."""
        second = one2one is not None and "teacher" in one2one.needs
        super().__init__(who, model, assigner, None if second and "teacher" not in assigner.needs else teacher)
        self.one2one = None if one2one is None else Handle(who, model, one2one, teacher if second else None)
        asked = [each.teacher for each in (self, self.one2one) if each is not None and each.teacher is not None]
        self.mentor = asked[0] if asked else None
        if len({each.trains for each in asked}) > 1:
            fix = "A teacher either trains or only looks."
            checks.fail(who, "LAD in both branches, or CoLAD in both", f"{assigner!r} and {one2one!r}", fix)

    @classmethod
    def over(cls, who: str, model: nn.Module, branched: Any, assigners: Any, teacher: nn.Module | None) -> Self:
        """Of `model` over the detection model `branched`; a one-to-one branch has the stock rule unless given one."""
        assigner, one2one = assigners
        if not has_one2one(branched):
            if one2one is not None:
                found = f"{type(branched).__name__} with the head {type(branched.model[-1]).__name__}"
                checks.fail(who, "a model with a one-to-one branch for `one2one=`", found, "Leave it out.")
            return cls(who, model, assigner, None, teacher)
        return cls(who, model, assigner, TaskAligned.yolo26_one2one() if one2one is None else one2one, teacher)

    @property
    def assigners(self) -> tuple[Assigner, Assigner | None]:
        """Of both branches."""
        return self.assigner, None if self.one2one is None else self.one2one.assigner

    @property
    def by_branch(self) -> dict[str, Handle]:
        """Who decides in which branch."""
        return {MANY: self} if self.one2one is None else {MANY: self, ONE: self.one2one}

    @property
    def stats(self) -> dict[str, float]:
        """As `Handle.stats`; those of a one-to-one branch begin with "one2one_"."""
        more = {} if self.one2one is None else self.one2one.stats
        return super().stats | {f"{ONE}_{name}": value for name, value in more.items()}

    def lead(self, other: Branches) -> None:
        """Give another handle this one's assigners and step."""
        for name, handle in self.by_branch.items():
            theirs = other.by_branch[name]
            theirs.assigner, theirs.step = handle.assigner, handle.step

    def follow(self, other: Branches) -> None:
        """Take over what another handle decided last."""
        for name, handle in self.by_branch.items():
            theirs = other.by_branch[name]
            handle.step, handle.last = theirs.step, theirs.last


def has_one2one(model: Any) -> bool:
    """Whether a detection model trains a one-to-one branch."""
    return getattr(model.model[-1], "one2one_cv2", None) is not None


def is_detector(model: Any) -> bool:
    """Whether this is a detection model with upright boxes, by what it offers."""
    layers = getattr(model, "model", None)
    return hasattr(model, "init_criterion") and isinstance(layers, nn.Sequential) and _head(layers) in HEADS


def _head(layers: nn.Sequential) -> str:
    return type(layers[-1]).__name__ if len(layers) else ""


def check_teacher(handle: Branches, model: Any) -> None:
    """Raise for a teacher that does not speak of the same grid and classes as `model`."""
    if handle.mentor is None:
        return
    who: str = handle.who
    teacher: Any = handle.mentor.module
    if not is_detector(teacher):
        fix = "Any of YOLOv8, 11 or 26 may teach any other."
        checks.fail(who, "a detection model of ultralytics as the teacher", type(teacher).__name__, fix, TypeError)
    if teacher.model[-1].cv2 is None:
        checks.fail(who, "a teacher with all branches", "one that was fused", "Load it afresh, before it predicts.")
    for what, fix in (("stride", "Both networks need one grid."), ("nc", "Both must know the same classes.")):
        mine, theirs = (_plain(getattr(head, what)) for head in (model.model[-1], teacher.model[-1]))
        if mine != theirs:
            checks.fail(who, f"a teacher with the model's `{what}` {mine}", theirs, fix)
    if handle.mentor.trains and has_one2one(model) != has_one2one(teacher):
        fix = "Take two of one kind, or LAD."
        checks.fail(who, "a CoLAD teacher with the same branches", type(teacher.model[-1]).__name__, fix)


def _plain(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value
