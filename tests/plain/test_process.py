"""The process is the one that this folder needs."""

import sys

from labelassign import checks


def test_no_import_hook_rewrites_the_package():
    finders = [type(finder).__module__ for finder in sys.meta_path]
    assert not [name for name in finders if name.startswith("jaxtyping")]


def test_package_functions_are_what_the_source_says():
    assert checks.describe.__code__.co_filename == checks.__file__
    assert not hasattr(checks.describe, "__wrapped__")
