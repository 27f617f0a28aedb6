"""Detectors that this library does not know: what they must add is short, and they learn."""

import copy
import functools
import re

import pytest

import labelassign as la
from examples.bring_your_own import with_lightning, yours
from tests.architecture.source import ROOT
from tests.examples.running import run

NAMES = {"plain": 2, "with_lightning": 2, "with_accelerate": 1}  # how often it trains
MOST_LINES = 20
OURS = re.compile(r"\bla\.(?:Priors|Predictions|GroundTruth|DeltaCoder)\b")


def code(text):
    """Its lines, without comments and docstrings."""
    text = re.sub(r'^\s*""".*?"""$', "", text, flags=re.MULTILINE | re.DOTALL)
    return [line for line in map(str.strip, text.splitlines()) if line and not line.startswith("#")]


@functools.cache
def source(name):
    return (ROOT / "examples" / "bring_your_own" / f"{name}.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_about_twenty_lines_are_all_there_is(name):
    before, _, rest = source(name).partition("# --- assignment\n")
    inside, mark, after = rest.partition("# --- end\n")
    assert mark
    assert 8 <= len(code(inside)) <= MOST_LINES
    assert len(OURS.findall(inside)) >= 4
    assert not OURS.findall(before + after)


@pytest.mark.parametrize("name", ["bring_your_own/yours", "aerial/model"])
def test_what_they_have_already_knows_nothing_of_this_library(name):
    text = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
    assert "Detector" in text
    assert "labelassign" not in text


@functools.cache
def printed(name):
    return run(f"examples.bring_your_own.{name}", "--steps", "10")


@pytest.mark.parametrize("name", NAMES)
def test_it_learns(name):
    text = printed(name)
    pattern = r"\s+([\d.]+) positives per object, .* overlap ([\d.]+), loss ([\d.]+)"
    first, last = (re.findall(when + pattern, text) for when in ("before", "after"))
    assert len(first) == len(last) == NAMES[name]
    for (count, overlap, loss), (_, later_overlap, later_loss) in zip(first, last, strict=True):
        assert 0.5 < float(count) < 100
        assert float(later_overlap) > float(overlap)
        assert float(later_loss) < float(loss)


def test_one_constructor_changes_the_assignment_and_a_framework_nothing():
    atss, _, paa = printed("plain").partition("PAA")
    assert atss.splitlines()[1:] != paa.splitlines()[1:]
    alone, _, taught = printed("with_lightning").partition("LAD")
    assert alone == f"PAA{paa}"
    assert taught.splitlines()[1:] != paa.splitlines()[1:]


def test_lightnings_teacher_only_looks():
    teacher = yours.network()
    before = copy.deepcopy(teacher.state_dict())
    with_lightning.train(with_lightning.Taught(yours.network(), la.LAD(la.PAA()), teacher), 2)
    assert all(before[name].equal(value) for name, value in teacher.state_dict().items())
    assert all(each.grad is None for each in teacher.parameters())
