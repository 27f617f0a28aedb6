"""What the compiled library shows and needs, and that its parts for different processors do not mix. Linux, x86-64."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from labelassign.ops.native import library
from tests.architecture.source import ROOT
from tests.kernels.files import BUILT, NAME, write

FOLDER = library.FOLDER
SETS = {"baseline": ("16", "x86-64"), "avx2": ("32", "x86-64-v3"), "avx512": ("64", "x86-64-v4")}


def run(*command, **options):
    ran = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, **options)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def symbols(file, *options):
    """Kind and name of each symbol."""
    lines = [line.split() for line in run("nm", *options, file).splitlines()]
    return [(line[-2], line[-1].partition("@")[0]) for line in lines if len(line) > 1]


def test_only_the_c_interface_is_visible():
    names = {name for _, name in symbols(BUILT, "-D", "--defined-only")}
    assert names == {"la_abi", "la_call", "la_choose", "la_set", "la_sets", "la_version"}


def test_nothing_but_the_c_library_is_needed():
    needed = set(re.findall(r"NEEDED\s+(\S+)", run("objdump", "-p", BUILT)))
    assert "libc.so.6" in needed
    assert needed <= {"libc.so.6", "libm.so.6", "libpthread.so.0", "ld-linux-x86-64.so.2"}


def foreign(symbols, name):
    """Definitions of an object for one set that another object could be given: not local, or not in its namespace.

    Of a weak one (V, W, u) the linker keeps a single copy for all objects, perhaps that of a set which the machine does
    not have.
    """
    mine = re.compile(rf"_ZN\d*{len(name)}{name}")
    return [(kind, s) for kind, s in symbols if kind in "VvWwu" or (kind.isupper() and not mine.match(s))]


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    """The kernels of each set, compiled alone without optimization: inlining would hide what is emitted otherwise."""
    folder = tmp_path_factory.mktemp("objects")
    flags = [
        "-std=c++17",
        "-O0",
        "-w",
        "-fPIC",
        "-ffp-contract=off",
        "-fno-exceptions",
        "-fno-rtti",
        "-fvisibility=hidden",
        "-c",
    ]
    flags += ["-I", str(FOLDER), "-I", str(FOLDER.parent)]
    for name, (size, march) in SETS.items():
        mine = [f"-DLA_SET={name}", f"-DLA_BYTES={size}", f"-march={march}", "-o", folder / f"{name}.o"]
        run("c++", *flags, *mine, FOLDER / "kernels.cpp")
    return folder


@pytest.mark.slow_kernels  # compiles all kernels for each set
@pytest.mark.parametrize("name", SETS)
def test_no_symbol_is_shared_between_the_sets(objects, name):
    found = symbols(objects / f"{name}.o", "--defined-only")
    assert any(kind == "T" for kind, _ in found)
    assert not foreign(found, name)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("template <class T> T twice(T a) { return a + a; } int f(int a) { return twice(a); }", "W"),
        ("inline int& count() { static int c; return c; } int f() { return count()++; }", "u"),
        ("int f() { return 1; }", "T"),
    ],
)
def test_the_symbol_rule_catches(tmp_path, code, kind):
    (tmp_path / "code.cpp").write_text(code)
    run("c++", "-O0", "-c", tmp_path / "code.cpp", "-o", tmp_path / "code.o")
    assert kind in {found for found, _ in foreign(symbols(tmp_path / "code.o", "--defined-only"), "baseline")}


def test_the_sets_are_those_that_the_system_reports():
    flags = set(Path("/proc/cpuinfo").read_text().partition("flags")[2].partition("\n")[0].split())
    v3 = {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "sse4_2", "popcnt"}
    v4 = v3 | {"avx512f", "avx512dq", "avx512cd", "avx512bw", "avx512vl"}
    want = ["baseline", *(["avx2"] * (v3 <= flags)), *(["avx512"] * (v4 <= flags))]
    assert list(library.instruction_sets()) == want


def test_another_processor_is_refused(tmp_path):
    content = bytearray(BUILT.read_bytes())
    content[18:20] = (243).to_bytes(2, "little")  # e_machine of the ELF header: RISC-V
    with pytest.raises(library.Unusable, match="cannot be loaded: "):
        library.load(write(tmp_path / "other", bytes(content)))


def test_importing_the_package_does_not_load_the_library():
    code = "import labelassign; print(open('/proc/self/maps').read())"
    assert NAME not in run(sys.executable, "-c", code, cwd=ROOT)
