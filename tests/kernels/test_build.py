"""Wheels, as pip builds them: with the library, without a compiler, and from broken sources."""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile

import pytest

import labelassign as la
from tests.architecture.source import ROOT

pytestmark = [pytest.mark.slow_kernels, pytest.mark.timeout(1800)]

LEFT = (".venv", ".git", "build", "dist", "_build", "demo_output", "__pycache__", ".hypothesis", ".*_cache")
NATIVE = "labelassign/ops/native/"


def run(*command, cwd=None, **env):
    everything = {**os.environ, "LABELASSIGN_REQUIRE_NATIVE": "0", **env}
    ran = subprocess.run([*map(str, command)], cwd=cwd, env=everything, capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture
def sources(tmp_path):
    """A copy of the checkout, with the library that was built into it: that one is no part of a wheel."""
    folder = shutil.copytree(ROOT, tmp_path / "sources", ignore=shutil.ignore_patterns(*LEFT))
    assert (folder / NATIVE / "library.json").is_file()
    return folder


def wheel(sources, **env):
    """The wheel that pip builds, or None, and what it printed."""
    out = sources.parent / "wheels"
    shutil.rmtree(out, ignore_errors=True)
    code, text = run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", out, sources, **env)
    built = list(out.glob("*.whl"))
    assert len(built) == (code == 0), text
    return (built[0] if built else None), text


def environment(folder):
    """A bare environment that sees the torch of this one, but not its labelassign."""
    code, text = run(sys.executable, "-m", "venv", "--without-pip", folder)
    assert code == 0, text
    place = next(folder.glob("lib/python*/site-packages"))
    place.joinpath("torch_of_the_tests.pth").write_text(sysconfig.get_path("purelib"))
    return folder / "bin" / "python"


def install(python, *what):
    code, text = run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", *what)
    assert code == 0, text


def probe(python, folder):
    """What probe.py finds in an environment."""
    code, text = run(python, "-W", "ignore", ROOT / "tests" / "kernels" / "probe.py", cwd=folder)
    assert code == 0, text
    return json.loads(text.splitlines()[-1])


def contents(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        tag = archive.read(next(name for name in names if name.endswith(".dist-info/WHEEL"))).decode()
        return {name for name in names if name.startswith("labelassign/")}, re.findall(r"^Tag: (.*)$", tag, re.M)


def test_wheel(sources, tmp_path):
    built, text = wheel(sources, LABELASSIGN_REQUIRE_NATIVE="1")
    assert built, text
    platform = sysconfig.get_platform().replace("-", "_").replace(".", "_")
    assert built.name == f"labelassign-{la.__version__}-py3-none-{platform}.whl"
    names, tags = contents(built)
    assert tags == [f"py3-none-{platform}"]
    assert {n.removeprefix(NATIVE) for n in names if n.startswith(NATIVE) and not n.endswith(".py")} == {
        "liblabelassign.so",
        "library.json",
    }
    assert not [name for name in names if name.endswith((".cpp", ".h", ".cmake"))]
    python = environment(tmp_path / "env")
    install(python, built)
    file, path, why_not, same = probe(python, tmp_path)
    assert file.startswith(str(tmp_path / "env"))
    assert (path, why_not, same) == ("native", None, True)


def broken_source(sources):
    with (sources / NATIVE / "pool.cpp").open("a") as file:
        file.write("this is no C++\n")
    return {}


def failing_compiler(sources):
    return {"CXX": "/bin/false"}


def no_compiler(sources):
    """A PATH with what a build needs, save a compiler."""
    tools = sources.parent / "tools"
    tools.mkdir()
    for name in ("cmake", "ninja", "make", "sh", "uname"):
        if shutil.which(name):
            (tools / name).symlink_to(shutil.which(name))
    return {"PATH": str(tools), "CXX": ""}


TROUBLES = [broken_source, failing_compiler, no_compiler]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_gives_pure_python(sources, tmp_path, trouble):
    built, text = wheel(sources, **trouble(sources))
    assert built, text
    assert built.name == f"labelassign-{la.__version__}-py3-none-any.whl"
    names, tags = contents(built)
    assert tags == ["py3-none-any"]
    assert not [name for name in names if name.startswith(NATIVE) and not name.endswith(".py")]
    python = environment(tmp_path / "env")
    install(python, built)
    why = "this installation was built without a compiler"
    assert probe(python, tmp_path)[1:] == ["reference", why, True]


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_is_an_error_where_the_library_is_required(sources, trouble):
    built, text = wheel(sources, LABELASSIGN_REQUIRE_NATIVE="1", **trouble(sources))
    assert built is None
    assert "CMake" in text


def test_editable_install(sources, tmp_path):
    """Builds into the sources; new and renamed modules need no second install."""
    for stale in ("library.json", "liblabelassign.so"):
        (sources / NATIVE / stale).unlink()
    python = environment(tmp_path / "env")
    install(python, "-e", sources)
    assert probe(python, tmp_path) == [str(sources / "labelassign" / "__init__.py"), "native", None, True]
    (sources / "labelassign" / "coders").mkdir()
    (sources / "labelassign" / "coders.py").rename(sources / "labelassign" / "coders" / "__init__.py")
    assert probe(python, tmp_path)[1:] == ["native", None, True]


SDIST = "import scikit_build_core.build as b; print(b.build_sdist('dist'))"


def test_sdist(sources, tmp_path):
    """What is published for all other machines has the sources of the library, and builds."""
    code, text = run(sys.executable, "-c", SDIST, cwd=sources)
    assert code == 0, text
    with tarfile.open(sources / "dist" / text.split()[-1]) as archive:
        archive.extractall(tmp_path / "unpacked", filter="data")
    (unpacked,) = (tmp_path / "unpacked").iterdir()
    assert not list(unpacked.rglob("liblabelassign.*"))
    mine = {p.relative_to(ROOT) for kind in ("cpp", "h", "cmake") for p in (ROOT / "labelassign").rglob(f"*.{kind}")}
    assert not [name for name in mine if not (unpacked / name).is_file()]
    built, text = wheel(unpacked, LABELASSIGN_REQUIRE_NATIVE="1")
    assert built, text
    assert NATIVE + "library.json" in contents(built)[0]
