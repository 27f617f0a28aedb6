"""Tests for assigners, those written elsewhere included: scenes, and laws that every assigner keeps.

Needs Hypothesis: `pip install 'labelassign[testing]'`. One line holds an assigner against all laws:

    check(Subject(MyAssigner(), condition=my_condition, exempt={"far_object": "all objects compete for the priors"}))
"""

from labelassign.testing import laws
from labelassign.testing.networks import invent, spoil

from labelassign.testing.strategies import predictions, scenes  # isort: skip - says what to install, so it comes first
from labelassign.testing.checking import check
from labelassign.testing.scene import Scene
from labelassign.testing.subject import LAWS, Law, LawBroken, Subject

__all__ = ["LAWS", "Law", "LawBroken", "Scene", "Subject", "check", "invent", "laws", "predictions", "scenes", "spoil"]
