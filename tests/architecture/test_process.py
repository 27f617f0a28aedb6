"""This suite runs under the import hook, unless somebody turned it off."""

import os
import sys

import pytest
import torch
from jaxtyping import TypeCheckError

from labelassign import checks, geometry

HOOKED = os.environ.get("LABELASSIGN_HOOK", "1") == "1"


def test_the_hook_is_there_as_the_switch_says():
    assert any(type(finder).__module__.startswith("jaxtyping") for finder in sys.meta_path) is HOOKED


def test_types_are_checked():
    with pytest.raises(TypeCheckError if HOOKED else TypeError, match="positive" if HOOKED else "expected"):
        checks.positive("test_process", 3, object())


def test_shapes_are_checked():
    seven = torch.zeros(2, 7)
    if HOOKED:
        with pytest.raises(TypeCheckError, match="area"):
            geometry.area(seven)
    else:
        assert geometry.area(seven).shape == (2,)
