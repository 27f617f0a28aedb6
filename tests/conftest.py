"""One process, one way to check annotations; the same numbers on every machine.

With the hook (LABELASSIGN_HOOK=1, the default) jaxtyping and beartype check each annotated call of the package.
It breaks full-graph tracing and answers bad input before the package does: tests/plain runs in a process without it.
"""

import os
import random
import sys

# OpenMP reads this when torch loads it: set it first.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import hypothesis
import numpy as np
import pytest
import torch
from jaxtyping import install_import_hook

import tests.annotations

_SWITCH = os.environ.get("LABELASSIGN_HOOK", "1")
if _SWITCH not in ("0", "1"):
    raise pytest.UsageError(f"LABELASSIGN_HOOK: expected 0 or 1, got {_SWITCH!r}. Unset it for the checked suite.")
HOOKED = _SWITCH == "1"

if HOOKED:
    early = sorted(name for name in sys.modules if name.partition(".")[0] == "labelassign")
    if early:
        raise pytest.UsageError(
            f"tests/conftest.py: expected to load before labelassign, got {early} already imported. "
            "A pytest plugin or -p option imported it; remove that, or run with LABELASSIGN_HOOK=0."
        )
    install_import_hook("labelassign", f"{tests.annotations.__name__}.checked")
    collect_ignore = ["plain"]  # named on the command line, tests/plain/conftest.py says what to do

torch.set_num_threads(1)

# A busy two-core machine makes generation slow; that is no property of the test.
_COMMON = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("dev", max_examples=25, **_COMMON)
# A gate gives the same answer twice; new examples are what nightly looks for.
hypothesis.settings.register_profile("ci", max_examples=200, derandomize=True, print_blob=True, **_COMMON)
hypothesis.settings.register_profile("nightly", max_examples=5000, print_blob=True, **_COMMON)
_DEFAULT = "ci" if os.environ.get("CI") == "true" else "dev"
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", _DEFAULT))


def pytest_report_header():
    profile = hypothesis.settings.get_current_profile_name()
    checks = "on" if HOOKED else "off"
    return f"labelassign: annotation checks {checks}; hypothesis profile {profile}; torch {torch.__version__}"


def pytest_runtest_setup():
    """The order of tests, which differs from worker to worker, must not change their numbers."""
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - other libraries draw from the global state
    torch.manual_seed(0)
