"""Every public name says what it is and shows how to use it; the three places with a version agree."""

import inspect
import re
import tomllib
from importlib import metadata

import labelassign as la
from tests.architecture.source import ROOT


def shows_use(thing):
    """Whether the docstring has an example that the documentation build can run."""
    doc = inspect.getdoc(thing) or ""
    return "Example" in doc and ">>>" in doc


def documented(names):
    return [name for name in names if inspect.isclass(getattr(la, name)) or inspect.isroutine(getattr(la, name))]


def test_all_names_exist_once():
    assert len(set(la.__all__)) == len(la.__all__)
    assert not [name for name in la.__all__ if not hasattr(la, name)]


def test_all_leaves_out_no_public_class_or_function():
    ours = [name for name, thing in vars(la).items() if getattr(thing, "__module__", "").startswith("labelassign.")]
    assert not [name for name in ours if not name.startswith("_") and name not in la.__all__]


def test_public_names_have_an_example():
    without = [name for name in documented(la.__all__) if not shows_use(getattr(la, name))]
    assert not without, "add `Example:` with a `>>>` line to these docstrings"


def test_the_example_rule_catches():
    def without():
        """Do something. Example: none."""

    def inherited():
        """Do something.

        Example:
            >>> 1 + 1
            2
        """

    assert not shows_use(without)
    assert shows_use(inherited)


def test_versions_agree():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    citation = re.findall(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert [la.__version__, metadata.version("labelassign"), *citation] == [project] * 3
