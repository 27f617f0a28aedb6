"""A pytest plugin (`-p tests.kernels.elsewhere`): tests use the library in the folder LABELASSIGN_LIBRARY."""

import os
from pathlib import Path

from labelassign.ops.native import library

library.FOLDER = Path(os.environ["LABELASSIGN_LIBRARY"])


def pytest_report_header():
    return f"labelassign: library of {library.FOLDER}: {library.why_not() or 'loaded'}"
