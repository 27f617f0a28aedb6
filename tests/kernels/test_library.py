"""The compiled library is checked before it is loaded; what does not fit is a sentence, never a crash."""

import importlib.util
import subprocess
import sys

import pytest

import labelassign as la
from labelassign.ops.native import library
from tests.kernels.files import BUILT, NAME, write
from tests.scenes import grid, ground_truth


@pytest.fixture
def content():
    return BUILT.read_bytes()


@pytest.fixture
def copy(tmp_path, content):
    return write(tmp_path / "copy", content)


def refusal(folder):
    with pytest.raises(library.Unusable) as caught:
        library.load(folder)
    return str(caught.value)


def test_a_copy_of_the_library_loads(copy):
    assert library.load(copy).la_abi() == library.ABI


def test_this_installation_has_the_library():
    assert library.why_not() is None
    assert library.instruction_set() in library.instruction_sets()
    assert library.instruction_sets()[0] == "baseline"


def test_no_compiler(tmp_path):
    assert refusal(tmp_path) == "this installation was built without a compiler"


def test_library_gone(copy):
    (copy / NAME).unlink()
    assert "cannot be read: FileNotFoundError" in refusal(copy)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"file": 3, "size": 0, "sha256": ""}', "\x00\xff", '"file"'])
def test_manifest_garbled(copy, text):
    (copy / "library.json").write_text(text, encoding="latin-1")
    assert "library.json cannot be read" in refusal(copy)


@pytest.mark.parametrize("part", [0.0, 0.001, 0.3, 0.5, 0.9, 0.9999])
def test_truncated(copy, content, part):
    (copy / NAME).write_bytes(content[: int(part * len(content))])
    found = refusal(copy)
    assert f"is damaged: {int(part * len(content))} bytes, expected {len(content)}; reinstall labelassign" in found


def test_one_byte_differs(copy, content):
    middle = len(content) // 2
    (copy / NAME).write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    assert "is damaged: its SHA-256 is not that of library.json" in refusal(copy)


@pytest.mark.parametrize(
    "header", [b"", b"\x7fELF", b"\xcf\xfa\xed\xfe\x07\x00\x00\x01", b"MZ\x90\x00", b"#!/bin/sh\n"], ids=repr
)
def test_not_a_library_of_this_system(tmp_path, header):
    folder = write(tmp_path / "other", header + bytes(range(256)) * 8)
    assert f"library {folder / NAME} cannot be loaded: " in refusal(folder)


def test_a_library_of_somebody_else(tmp_path):
    """A real shared library without our functions: some extension module of Python."""
    other = importlib.util.find_spec("_ctypes").origin
    with open(other, "rb") as file:
        assert "la_abi" in refusal(write(tmp_path / "theirs", file.read()))


def test_other_abi(copy, monkeypatch):
    monkeypatch.setattr(library, "ABI", 2)
    assert "is of ABI 1, expected 2; reinstall labelassign" in refusal(copy)


def test_other_version(copy, monkeypatch):
    built = la.__version__
    monkeypatch.setattr(la, "__version__", "9.0")
    assert f"is of version {built}, expected 9.0; reinstall labelassign" in refusal(copy)


def test_a_wrong_set_is_refused_by_name():
    before = library.instruction_set()
    with pytest.raises(ValueError, match=r"one of \('baseline'.*'sse9'"):
        library.choose("sse9")
    assert library.instruction_set() == before


def test_an_unknown_op_is_refused():
    assert library.call(10_000, b"", 1) != 0


@pytest.fixture
def without(tmp_path, monkeypatch):
    """An installation without the library."""

    def forget():
        for cached in (library.why_not, library._entry):
            cached.cache_clear()

    monkeypatch.setattr(library, "FOLDER", tmp_path)
    forget()
    yield
    monkeypatch.undo()
    forget()


def test_without_the_library_the_reference_runs(without):
    gt = ground_truth()
    arguments = (grid().boxes, None, gt.boxes, gt.labels, gt.offsets, gt.ignore, 6, 0, 0.5, False, False)
    explained = la.explain("match", *arguments)
    assert explained.path == "reference"
    assert explained.refusals["native"] == "this installation was built without a compiler"
    assert (la.ATSS()(grid(), gt).gt_index >= la.IGNORE).all()
    with pytest.raises(RuntimeError, match="expected the compiled library, got this installation was built without"):
        library.call(0, b"", 1)


# Loading is where a bad file would end the process; so also once in a process that may end.
PROBE = """
import sys
from pathlib import Path
import labelassign
from labelassign.ops.native import library
for name in sys.argv[1:]:
    try:
        library.load(Path(name))
    except library.Unusable as why:
        print(why)
"""


def test_nothing_damaged_ends_the_process(tmp_path, content):
    folders = []
    for k, length in enumerate([0, 1, 63, 64, 4096, len(content) // 2, len(content) - 1]):
        folder = write(tmp_path / f"cut{k}", content)
        (folder / NAME).write_bytes(content[:length])
        folders.append(folder)
    ran = subprocess.run([sys.executable, "-c", PROBE, *folders], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.count("is damaged") == len(folders)
