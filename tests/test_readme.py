"""The README tells the truth: its first result, its commands, its pictures, its names."""

import re
from pathlib import Path

import torch

import labelassign as la
from tests.scenes import grid, ground_truth

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def code_blocks():
    return re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_first_result(capsys):
    block = code_blocks()[0]
    assert len([line for line in block.splitlines() if line.strip()]) <= 8
    promised = re.search(r"print.*# …; (.*)\n", block)[1]
    exec(block, {})
    assert capsys.readouterr().out.strip().endswith(promised)


def test_every_line_of_the_interface_runs():
    priors, gt = grid(), ground_truth((3, 5))
    scores = [torch.randn(2, 6, *shape) for shape in ((16, 20), (8, 10), (4, 5))]
    deltas = [torch.randn(2, 4, *shape) for shape in ((16, 20), (8, 10), (4, 5))]
    names = {"la": la, "priors": priors, "gt": gt, "cls": scores, "reg": deltas}
    first, *rest = code_blocks()[1].splitlines()
    exec(first, names)
    other = la.Predictions.from_levels(scores, deltas[:], priors, coder=la.DeltaCoder())
    names |= {"theirs": other, "other": other}
    for line in rest:
        assert isinstance(eval(line, names), la.Assignment), line


def test_commands_pictures_and_presets_exist():
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^\$ make (\w+)", README, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
    for link in re.findall(r"\]\(([^)#]+)\)", README):
        assert (ROOT / link).exists(), link
    for name, presets in re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", README, re.MULTILINE):
        for preset in re.findall(r"`(\w+)`", presets):
            assert isinstance(getattr(getattr(la, name), preset)(), la.Assigner)
