"""All laws at once, under Hypothesis."""

from __future__ import annotations

from hypothesis import given, settings

from labelassign.assigners import Assigner
from labelassign.testing.scene import Scene
from labelassign.testing.strategies import scenes
from labelassign.testing.subject import LAWS, Subject, known


def check(subject: Subject | Assigner, *, max_examples: int | None = None) -> None:
    """Hold an assigner against all laws, on scenes that Hypothesis draws.

    Arguments:
        subject: the assigner, or a Subject that also says what it is exempt from.
        max_examples: number of scenes; None takes Hypothesis' current profile.

    Raises:
        LawBroken: with the smallest scene that Hypothesis found, and the law.
        ValueError: an exemption that names no law, or gives no reason.

    Example:
        >>> from labelassign.testing import Subject, check
        >>> check(Subject(la.ATSS(margin=0.0), exempt={"own_condition": "shown elsewhere"}), max_examples=3)
    """
    who = subject if isinstance(subject, Subject) else Subject(subject)
    known(who)

    @given(scenes())
    def holds(scene: Scene) -> None:
        for law in LAWS.values():
            law.check(who, scene)

    if max_examples is not None:
        holds = settings(max_examples=max_examples, deadline=None)(holds)
    holds()
