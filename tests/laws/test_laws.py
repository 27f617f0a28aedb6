"""Every assigner of the package before all laws; tests/plain has many more examples, without annotation checks."""

import pytest

from labelassign.testing import LAWS, check
from tests.laws.subjects import SUBJECTS, examples

NAMES = {subject.name: subject for subject in SUBJECTS}

# beartype tosses coins of its own while Hypothesis draws
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module")


@pytest.mark.parametrize("name", NAMES)
def test_laws_hold(name):
    check(NAMES[name], max_examples=max(2, examples(NAMES[name]) // 8))


def test_every_subject_has_its_own_name():
    assert len(NAMES) == len(SUBJECTS)


def test_the_laws_are_these():
    assert set(LAWS) == {
        "well_formed", "empty_image", "purity", "constructors", "finiteness",
        "own_teacher", "teacher_decides", "whole_units", "one_of_two",
        "own_condition", "true_reason",
        "half_precision", "bounded_memory", "without_looking", "paths",
        "image_by_image", "permuted_objects", "permuted_priors", "translation", "scaling", "far_object",
        "ignored_region",
    }  # fmt: skip
