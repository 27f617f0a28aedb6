"""Tests in this folder compile the package, trace it with fake tensors or hand it hostile input."""

import importlib.util
import os

import pytest

_SWITCH = os.environ.get("LABELASSIGN_HOOK", "1")
if _SWITCH != "0":
    raise pytest.UsageError(
        f"tests/plain: expected a process without the jaxtyping import hook, got LABELASSIGN_HOOK={_SWITCH!r}. "
        "Run `LABELASSIGN_HOOK=0 pytest tests/plain`, or `make test`, which runs both suites."
    )
if importlib.util.find_spec("triton") is None:
    collect_ignore = ["test_triton.py"]
