"""What `attach` gives back: the way to put a model back, and what the last step decided."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Self

import torch
from torch import nn

from labelassign import checks
from labelassign.adapters.teaching import Shared, inner, trains_both
from labelassign.assigners.base import Assigner
from labelassign.structures import Assignment, GroundTruth, Predictions, Priors, Reason

NAME = "_labelassign"
_NO_OBJECTS = (int(Reason.IGNORED), int(Reason.PADDING))


class Handle:
    """One model's assigner; made by `attach` of an adapter.

    It lies on the model itself, so a copy of the model (deepcopy for an EMA, pickle) carries a handle of its own: find
    it with `Handle.of(copy)`. The teacher is shared, not copied. State dicts are as without.

    Attributes:
        assigner: may be exchanged at any time for one that needs no more.
        step: how many times the model has asked; part of no state dict, set it when you resume.
        last: the last assignment; None before the first, and in copies.

    Example:
        >>> from labelassign.adapters import Handle
        >>> Handle.of(torch.nn.Linear(1, 1)) is None
        True
    """

    def __init__(self, who: str, model: nn.Module, assigner: Assigner, teacher: nn.Module | None) -> None:
        """Check that assigner and teacher fit; changes nothing yet."""
        if not isinstance(assigner, Assigner):  # pyright: ignore[reportUnnecessaryIsInstance]
            fix = "Pass one, like `ATSS()`."
            checks.fail(who, "an Assigner", checks.describe(assigner), fix, TypeError)
        if Handle.of(model) is not None:
            checks.fail(who, "a model without an assigner of ours", "one that has one", "Call `handle.detach()` first.")
        if ("teacher" in assigner.needs) != (teacher is not None):
            found = f"{type(assigner).__name__} and teacher={None if teacher is None else type(teacher).__name__}"
            checks.fail(who, "a teacher for LAD and CoLAD, and only for these", found, "Pass `teacher=`, or leave it.")
        self.who, self.assigner = who, assigner
        self.model: Any = model
        self.teacher = None if teacher is None else Shared(inner(teacher), trains_both(assigner))
        self.step = 0
        self.last: Assignment | None = None
        self._places: list[tuple[nn.Module, str, bool, Any]] = []
        self._hooks: list[Any] = []

    @staticmethod
    def of(model: nn.Module) -> Handle | None:
        """The handle that lies on a model, also if that is wrapped for several processes; None without one."""
        return vars(inner(model)).get(NAME)

    def put(self, owner: nn.Module, name: str, value: Any) -> None:
        """Give one instance an attribute, to be taken away by `detach`."""
        self._places.append((owner, name, name in vars(owner), vars(owner).get(name)))
        vars(owner)[name] = value

    def hook(self, removable: Any) -> None:
        """Remember a hook, to be removed by `detach`."""
        self._hooks.append(removable)

    def attached(self) -> Self:
        """Lie down on the model: the last step of `attach`."""
        self.put(self.model, NAME, self)
        return self

    def detach(self) -> None:
        """Put the model back exactly; a second call does nothing."""
        for owner, name, had, before in reversed(self._places):
            if had:
                vars(owner)[name] = before
            else:
                vars(owner).pop(name, None)
        for removable in self._hooks:
            removable.remove()
        self._places, self._hooks = [], []

    def __enter__(self) -> Self:
        """`with attach(...)`: attached inside, put back outside."""
        return self

    def __exit__(self, *_: object) -> None:
        """Put the model back."""
        self.detach()

    def decide(
        self, priors: Priors, gt: GroundTruth, mine: Predictions | None, theirs: Predictions | None
    ) -> Assignment:
        """Assign one batch."""
        self.last = self.assigner(priors, gt, mine, teacher=theirs, step=self.step)
        self.step += 1
        return self.last

    @property
    def stats(self) -> dict[str, float]:
        """Numbers of the last step, to be logged (waits for the device); empty before the first.

        positives, objects (without ignored ones), positives_per_object, objects_without, ignored (priors); under CoLAD
        also student_rho, teacher_rho and teacher_share.
        """
        a = self.last
        if a is None:
            return {}
        counts = a.per_gt_count[~torch.isin(a.reason, torch.tensor(_NO_OBJECTS, device=a.reason.device))]
        found = {
            "positives": int(a.positive.sum()),
            "objects": len(counts),
            "positives_per_object": float(counts.double().mean()) if len(counts) else 0.0,
            "objects_without": int((counts == 0).sum()),
            "ignored": int(a.ignored.sum()),
        }
        told = {k: v for k, v in a.diagnostics.items() if k in ("student_rho", "teacher_rho", "teacher_share")}
        return found | {name: float(value) for name, value in told.items()}

    def __getstate__(self) -> dict[str, Any]:
        """Without the last assignment: copies have none."""
        return vars(self) | {"last": None}


@contextmanager
def standing_in(owner: Any, **values: Any) -> Generator[None]:
    """Give an object attributes for a while."""
    own = vars(owner)
    before = {name: own[name] for name in values if name in own}
    own.update(values)
    try:
        yield
    finally:
        for name in values:
            del own[name]
        own.update(before)
