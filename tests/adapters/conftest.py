"""What the tests of several adapters need."""

import sys
from importlib import import_module
from pathlib import Path

import pytest

DOUBLE = Path(__file__).parent / "detectron2_double"


@pytest.fixture(scope="module")
def detectron2():
    """The stand-in for detectron2, importable while the tests of one file run, and gone afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(DOUBLE)
        yield import_module("detectron2")
    for name in [name for name in sys.modules if name.partition(".")[0] == "detectron2"]:
        del sys.modules[name]
