"""Run an example as its reader would."""

import os
import subprocess
import sys

from tests.architecture.source import ROOT


def run(module, *arguments):
    """What `python -m module` prints; one thread, because other tests run beside it."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
