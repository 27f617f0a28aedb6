"""Who stands before the laws, and what a law is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from labelassign import checks
from labelassign.assigners import Assigner
from labelassign.structures import Assignment
from labelassign.testing.scene import Scene


@dataclass(frozen=True, eq=False)
class Subject:
    """An assigner, and what the laws must know about it.

    Attributes:
        assigner: the assigner itself.
        name: how messages and test ids call it; default: the class's name.
        exempt: laws that it does not satisfy, by name, each with the reason. Hold a counterexample by a test.
        condition: raises AssertionError for a positive that does not meet the method's published condition.
        reason: raises AssertionError for a row whose reason is not what the definitions in `Reason` say; None leaves it
            at what holds for all methods.
        scaled: the same method for an image `factor` times as large, if it has constants in pixels.
        touching: overlaps of 0 tie in the method, so that a scene without ties has predictions that touch every object.
        tied: by law, whether another answer is as good on a scene: for a method whose sums can tie where no two numbers
            do. The law says nothing there.

    Example:
        >>> from labelassign.testing import Subject
        >>> Subject(la.ATSS(), exempt={"far_object": "only an example"}).name
        'ATSS'
    """

    assigner: Assigner
    name: str = ""
    exempt: Mapping[str, str] = field(default_factory=dict[str, str])
    condition: Callable[[Scene, Assignment], None] | None = None
    reason: Callable[[Scene, Assignment], None] | None = None
    scaled: Callable[[Assigner, float], Assigner] | None = None
    touching: bool = False
    tied: Mapping[str, Callable[[Scene], bool]] = field(default_factory=dict[str, Callable[[Scene], bool]])

    def __post_init__(self) -> None:
        """Fill in the name."""
        object.__setattr__(self, "name", self.name or type(self.assigner).__name__)

    def __str__(self) -> str:
        return self.name


class LawBroken(AssertionError):
    """An assigner that breaks a law: which, on what scene, and how.

    Example:
        >>> from labelassign.testing import LawBroken
        >>> issubclass(LawBroken, AssertionError)
        True
    """


@dataclass(frozen=True)
class Law:
    """A property of every assigner that does not declare itself exempt.

    Attributes:
        name: what `Subject.exempt` calls it.
        statement: what holds, exactly.
        body: raises AssertionError where it does not hold.

    Example:
        >>> from labelassign.testing import LAWS
        >>> LAWS["empty_image"].statement
        'Without objects every prior is background; IGNORE if it is invalid or lies in an ignored region.'
    """

    name: str
    statement: str
    body: Callable[[Subject, Scene], None]

    def check(self, subject: Subject, scene: Scene) -> None:
        """Raise LawBroken if the subject, not being exempt, breaks the law on this scene."""
        if self.name in subject.exempt:
            return
        try:
            self.body(subject, scene)
        except AssertionError as broken:
            what = f"{subject.name} breaks the law {self.name!r}: {self.statement}"
            raise LawBroken(f"{what}\n{broken}\n{scene}") from broken


LAWS: dict[str, Law] = {}
"""Every law by its name."""


def law(body: Callable[[Subject, Scene], None]) -> Callable[[Subject, Scene], None]:
    """Add a function to the laws; its docstring is the statement."""
    name = body.__name__
    LAWS[name] = Law(name, " ".join((body.__doc__ or "").split()), body)
    return body


def known(subject: Subject) -> None:
    """Refuse names of laws that do not exist, and exemptions without a reason."""
    unknown = sorted({*subject.exempt, *subject.tied} - set(LAWS))
    if unknown:
        wanted = f"names of laws in `exempt` and `tied`: {sorted(LAWS)}"
        checks.fail(f"Subject {subject.name}", wanted, unknown, "Use one of these.")
    silent = sorted(name for name, reason in subject.exempt.items() if not reason)
    if silent:
        checks.fail(f"Subject {subject.name}", "a reason for every exemption", silent, "Say why the law cannot hold.")


@lru_cache(maxsize=4)
def answer(assigner: Assigner, scene: Scene) -> Assignment:
    """The assigner's answer, computed once for all the laws that look at it."""
    return scene.assign(assigner)
