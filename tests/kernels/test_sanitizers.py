"""The library under the sanitizers of the compiler: hostile input, all kernels, the pool. GCC on Linux.

LABELASSIGN_SANITIZE_TESTS names other tests to run (`make sanitize TESTS=...`).
"""

import os
import subprocess
import sys

import pytest

from tests.architecture.source import ROOT
from tests.kernels.test_pool import drive

pytestmark = [pytest.mark.slow_kernels, pytest.mark.timeout(1800)]

RUNTIME = {"address,undefined": "libasan.so", "thread": "libtsan.so"}
OPTIONS = {
    # Python and torch leave memory to the end of the process on purpose.
    "ASAN_OPTIONS": "detect_leaks=0",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
}
TESTS = {
    "address,undefined": ["tests/plain/test_awkward_input.py", "tests/kernels/test_sets.py"],
    "thread": ["tests/kernels/test_sets.py", "-k", "not CoLAD or official"],
}


def run(*command, **env):
    everything = {**os.environ, **OPTIONS, **env}
    ran = subprocess.run([*map(str, command)], cwd=ROOT, env=everything, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout + ran.stderr


def build(sanitizer, folder, *options):
    """The instrumented library's folder; a folder that stays makes the next build short."""
    for command in (
        ["cmake", "-S", ROOT, "-B", folder, f"-DLABELASSIGN_SANITIZE={sanitizer}", *options],
        ["cmake", "--build", folder],
    ):
        code, text = run(*command)
        assert code == 0, text
    return folder / "library"


def preloaded(sanitizer):
    """What the dynamic loader has to load first: Python itself is not instrumented."""
    files = (RUNTIME[sanitizer], "libstdc++.so")
    return " ".join(run("c++", f"-print-file-name={file}")[1].strip() for file in files)


@pytest.mark.parametrize("sanitizer", RUNTIME)
def test_the_kernels(sanitizer):
    library = build(sanitizer, ROOT / "build" / "sanitize" / sanitizer.replace(",", "-"))
    tests = os.environ.get("LABELASSIGN_SANITIZE_TESTS", "").split() or TESTS[sanitizer]
    command = [sys.executable, "-m", "pytest", "-p", "tests.kernels.elsewhere", "-p", "no:cacheprovider", *tests]
    env = {"LD_PRELOAD": preloaded(sanitizer), "LABELASSIGN_LIBRARY": str(library), "LABELASSIGN_HOOK": "0"}
    code, text = run(*command, **env)
    assert code == 0, text
    assert f"labelassign: library of {library}: loaded" in text


@pytest.mark.parametrize("sanitizer", RUNTIME)
def test_the_pool(tmp_path, sanitizer):
    drive(tmp_path, f"-fsanitize={sanitizer}", "-fno-sanitize-recover=all")


CALL = "import ctypes, sys; ctypes.CDLL(sys.argv[1]).la_call(int(sys.argv[2]), None, 4)"
FAULTS = {
    "address,undefined": {0: "heap-buffer-overflow", 1: "signed integer overflow"},
    "thread": {2: "data race"},
}


@pytest.mark.parametrize("sanitizer", RUNTIME)
def test_the_sanitizers_catch(tmp_path, sanitizer):
    library = build(sanitizer, tmp_path, f"-DLABELASSIGN_KERNELS={ROOT}/tests/kernels/faulty.cpp")
    file = library / "liblabelassign.so"
    for op, report in FAULTS[sanitizer].items():
        code, text = run(sys.executable, "-c", CALL, file, op, LD_PRELOAD=preloaded(sanitizer))
        assert code != 0
        assert report in text
    assert run(sys.executable, "-c", CALL, file, 99, LD_PRELOAD=preloaded(sanitizer)) == (0, "")
