"""The compiled CPU library: found, checked and loaded at its first use, never when the package is imported.

An installation may be without it (no compiler), or have one that does not fit (an interrupted copy, another version):
that is a sentence, `why_not`, and the other paths do the work. The library knows neither Python nor torch.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import json
import sys
from collections.abc import Callable
from pathlib import Path

from labelassign import checks

ABI = 1  # the same number stands in CMakeLists.txt
FOLDER = Path(__file__).parent
REINSTALL = "reinstall labelassign (in a checkout: make native)"


class Unusable(Exception):
    """The library cannot be used; the message says why."""


def call(op: int, packed: bytes, threads: int) -> int:
    """Run kernel `op` on arguments packed as its C++ struct, without the GIL.

    Returns:
        0 if done; anything else: the kernel refused, take another path.

    Raises:
        RuntimeError: there is no library (ask `why_not` first).
    """
    return _entry()(op, packed, threads)


@functools.cache
def why_not() -> str | None:
    """Why this installation's library cannot be used; None if it can."""
    try:
        load(FOLDER)
    except Unusable as why:
        return str(why)
    return None


def instruction_set() -> str:
    """The set in use: "baseline", "avx2" or "avx512". All give the same bits."""
    return _library().la_set().decode()


def instruction_sets() -> tuple[str, ...]:
    """The sets that this machine can run, slowest first."""
    return tuple(_library().la_sets().decode().split(","))


def choose(name: str) -> None:
    """Use this instruction set from now on, in the whole process."""
    if _library().la_choose(name.encode()) != 0:
        fix = "The best one is chosen without this call."
        checks.fail("native.choose", f"one of {instruction_sets()}", repr(name), fix)


@functools.cache
def load(folder: Path) -> ctypes.CDLL:
    """The library in `folder`, checked.

    Raises:
        Unusable: it is not there, damaged, of another version, or not for this machine.
    """
    file = _verified(folder)
    try:
        library = ctypes.CDLL(str(file))
        abi: int = library.la_abi()
        library.la_version.restype = ctypes.c_char_p
        version: str = library.la_version().decode()
        for name in ("la_set", "la_sets"):
            getattr(library, name).restype = ctypes.c_char_p
        library.la_choose.argtypes = [ctypes.c_char_p]
        library.la_call.argtypes = [ctypes.c_int32, ctypes.c_char_p, ctypes.c_int32]
    except (OSError, AttributeError) as error:
        raise Unusable(f"library {file} cannot be loaded: {error}; {REINSTALL}") from error
    if abi != ABI:
        raise Unusable(f"library {file} is of ABI {abi}, expected {ABI}; {REINSTALL}")
    expected = sys.modules[__name__.partition(".")[0]].__version__
    if version != expected:
        raise Unusable(f"library {file} is of version {version}, expected {expected}; {REINSTALL}")
    return library


def _verified(folder: Path) -> Path:
    """The library's file, once it is the one that was built: the system's loader crashes on a truncated one."""
    manifest = folder / "library.json"
    if not manifest.exists():
        raise Unusable("this installation was built without a compiler")
    try:
        built = json.loads(manifest.read_bytes())
        file, size, digest = folder / built["file"], built["size"], built["sha256"]
        content = file.read_bytes()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Unusable(f"library of {manifest} cannot be read: {error!r}; {REINSTALL}") from error
    if len(content) != size:
        raise Unusable(f"library {file} is damaged: {len(content)} bytes, expected {size}; {REINSTALL}")
    if hashlib.sha256(content).hexdigest() != digest:
        raise Unusable(f"library {file} is damaged: its SHA-256 is not that of {manifest.name}; {REINSTALL}")
    return file


def _library() -> ctypes.CDLL:
    try:
        return load(FOLDER)
    except Unusable as why:
        checks.fail("native", "the compiled library", str(why), "Ask native.why_not() first.", RuntimeError)


@functools.cache
def _entry() -> Callable[[int, bytes, int], int]:
    return _library().la_call
