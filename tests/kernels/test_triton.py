"""The Triton kernels without a device: interpreted, and compiled for every target."""

import json
import os
import subprocess
import sys

import pytest
import triton

from tests.architecture.source import ROOT
from tests.kernels.offline import TARGETS
from tests.kernels.resources import PAGE, TABLE, measured, page

pytestmark = pytest.mark.slow_kernels


@pytest.mark.timeout(1800)
def test_interpreted_kernels_answer_what_the_references_answer():
    own = {"TRITON_INTERPRET": "1", "LABELASSIGN_HOOK": "0", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/kernels/interpreted.py"]
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **own}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert " passed" in done.stdout


@pytest.fixture(scope="module")
def table():
    found = json.loads(TABLE.read_text(encoding="utf-8"))
    assert found["triton"] == triton.__version__, "run `python -m tests.kernels.resources` under the pinned triton"
    return found


@pytest.mark.parametrize("target", TARGETS)
def test_no_kernel_spills_or_needs_more_than_it_did(target, table):
    found = measured(target)
    assert set(found) == set(table["kernels"])
    assert not {name: use for name, use in found.items() if use["spills"] or use["stack"]}
    allowed = {name: row[target] for name, row in table["kernels"].items()}
    more = {n: (use, allowed[n]) for n, use in found.items() for what in use if use[what] > allowed[n][what]}
    assert not more, "mend the kernel, or accept the change with `python -m tests.kernels.resources`"


def test_the_page_is_the_table(table):
    assert PAGE.read_text(encoding="utf-8") == page(table)
