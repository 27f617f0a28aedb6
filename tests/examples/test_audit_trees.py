"""The audit of the trees says what independent counts say, and the documentation shows what it prints."""

import functools
import re

import torch
from torchvision.ops import box_iou

import labelassign as la
from examples import audit_trees
from examples.aerial import data
from tests.architecture.source import ROOT
from tests.examples.running import run

CELLS = re.compile(r"(\d+) of (\d+)")


@functools.cache
def printed():
    return run("examples.audit_trees")


@functools.cache
def table():
    """The lines of the table by method, spaces as they are."""
    lines = printed().partition("Which trees:")[0].splitlines()
    return {name: next(line for line in lines if line.startswith(name.ljust(18))) for name in audit_trees.METHODS}


def number(name):
    return int(table()[name][18:23])


def test_every_method_has_a_line_that_adds_up():
    trees = [torch.from_numpy(scene.boxes).double() for scene in data.load()]
    sides = torch.cat([((box[:, 2:] - box[:, :2]).prod(1)).sqrt() for box in trees])
    bounds = torch.tensor(audit_trees.SIDES)
    by_size = torch.bincount(torch.bucketize(sides, bounds, right=True), minlength=4).tolist()
    for name, line in table().items():
        left, of = zip(*((int(a), int(b)) for a, b in CELLS.findall(line)), strict=True)
        assert list(of) == by_size, name
        assert sum(left) == number(name) == sum(map(int, re.findall(r"(\d+) [A-Z]{2}", line)))
    assert "951 trees, 4 images" in printed()


def test_without_rescue_trees_lack_an_anchor_that_overlaps_them_enough():
    poor = 0
    for priors, gt, _ in audit_trees.batches(data.load(), 8):
        best = torch.stack([box_iou(gt.boxes[i : i + 1], priors.boxes).max() for i in range(gt.num_rows)])
        poor += int((best < la.MaxIoU().pos_iou).sum())
    assert number("MaxIoU, no rescue") == poor > number("MaxIoU")


def test_trees_are_named_where_there_are_any():
    names = printed().partition("Which trees:\n")[2].splitlines()
    wanted = {name for name in audit_trees.METHODS if number(name)}
    assert {line[:18].strip() for line in names} == wanted
    for line in names:
        shown, more = len(re.findall(r"#\d+ \(\d+ px\)", line)), re.findall(r"and (\d+) more$", line)
        assert shown + sum(map(int, more)) == number(line[:18].strip())


def test_the_documentation_shows_what_is_printed():
    page = (ROOT / "docs" / "auditing.md").read_text(encoding="utf-8")
    block = re.search(r"```text\n(.*?)\n```", page, re.DOTALL)[1].splitlines()
    assert block[1:] == list(table().values())
    assert block[0] in printed().splitlines()
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"```text\n(.*?)\n```", readme, re.DOTALL)[1].splitlines()
    assert len(shown) > 3
    assert set(shown) <= set(block)
    assert "`MaxIoU` without its rescue leaves 73 trees and `Uniform` 1." in " ".join(page.split())
    for name, left in (("MaxIoU, no rescue", 73), ("Uniform", 1)):
        report = la.audit(audit_trees.METHODS[name], audit_trees.batches(data.load(), 3))
        assert report.without.sum() == left
