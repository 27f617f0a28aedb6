"""Every integration learns, and its assignment is as short as promised."""

import functools
import re

import pytest

from tests.architecture.source import ROOT
from tests.examples.running import run

NAMES = ("retinanet_like", "yolo_like", "numpy_inout")
MOST_LINES = 12


def assignment_lines(text):
    """The lines of code between the marks; there is one pair of marks."""
    lines = [line.strip() for line in text.splitlines()]
    assert (lines.count("# --- assignment"), lines.count("# --- end")) == (1, 1)
    inside = lines[lines.index("# --- assignment") + 1 : lines.index("# --- end")]
    return [line for line in inside if line and not line.startswith("#")]


@pytest.mark.parametrize("name", NAMES)
def test_the_assignment_is_short_and_is_all_there_is(name):
    text = (ROOT / "examples" / f"{name}.py").read_text(encoding="utf-8")
    inside = assignment_lines(text)
    assert 4 <= len(inside) <= MOST_LINES
    records = re.findall(r"la\.(?:Priors|Predictions|GroundTruth)\.\w+\(", text)
    assert len(records) == len(re.findall(r"la\.(?:Priors|Predictions|GroundTruth)\.\w+\(", "\n".join(inside))) >= 3


def numbers(pattern, text):
    return [float(value) for value in re.findall(pattern, text)]


@functools.cache
def printed(name):
    return run(f"examples.{name}", "--steps", {"retinanet_like": "8", "yolo_like": "12", "numpy_inout": "30"}[name])


@pytest.mark.parametrize(("name", "runs"), [("retinanet_like", 2), ("yolo_like", 1), ("numpy_inout", 1)])
def test_it_learns(name, runs):
    text = printed(name)
    first, last = (numbers(pattern, text) for pattern in (r"loss ([\d.]+) ->", r"-> ([\d.]+) in"))
    before, after = (numbers(rf"{when}\s.*overlap ([\d.]+)", text) for when in ("before", "after"))
    assert len(first) == len(last) == len(before) == len(after) == runs
    assert all(b < 0.9 * a for a, b in zip(first, last, strict=True))
    assert all(b > a + 0.01 for a, b in zip(before, after, strict=True))
    assert all(1 < n < 100 for n in numbers(r"([\d.]+) positives", text))


def test_one_constructor_changes_the_assignment():
    text = printed("retinanet_like")
    max_iou, _, atss, _ = numbers(r"([\d.]+) positives per object", text)
    assert max_iou != atss
    assert "MaxIoU.retinanet()" in text
    assert "ATSS()" in text


def test_arrays_of_two_libraries_give_one_answer():
    agree = numbers(r"([\d.]+)% of the owners", printed("numpy_inout"))
    assert len(agree) == 1
    assert agree[0] > 99.5
