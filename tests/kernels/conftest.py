"""Tests of the compiled library run where there is one; LABELASSIGN_REQUIRE_NATIVE=1 runs them in any case."""

import importlib.util
import os
import platform
import sys

from labelassign.ops.native import library

_REQUIRED = os.environ.get("LABELASSIGN_REQUIRE_NATIVE") == "1"
collect_ignore = []
if library.why_not() is not None and not _REQUIRED:
    names = ("library", "millions", "native", "native_central", "native_fcos", "pool", "sets", "symbols")
    collect_ignore += [f"test_{name}.py" for name in names]
if (sys.platform, platform.machine()) != ("linux", "x86_64"):
    collect_ignore += ["test_symbols.py", "test_sanitizers.py", "test_build.py"]
if importlib.util.find_spec("triton") is None:
    collect_ignore += ["test_triton.py", "test_ptx.py"]


def pytest_report_header():
    return f"labelassign: compiled library: {library.why_not() or library.instruction_sets()}"
