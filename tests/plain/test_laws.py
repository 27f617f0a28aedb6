"""Every assigner of the package before all laws, with as many examples as the profile has."""

import pytest

from labelassign.testing import check
from tests.laws.subjects import SUBJECTS, examples

NAMES = {subject.name: subject for subject in SUBJECTS}


@pytest.mark.parametrize("name", NAMES)
def test_laws_hold(name):
    check(NAMES[name], max_examples=examples(NAMES[name]))
