"""What goes into a figure: pixels of every form, colours, refusals, and matplotlib only when it is needed."""

import subprocess
import sys

import numpy as np
import pytest
import torch

import labelassign as la
from labelassign import draw
from labelassign.draw import style
from tests.architecture.source import ROOT
from tests.draw.figures import HEIGHT, IMAGE, PRIORS, WIDTH, scene


def test_every_form_of_image_gives_the_same_pixels():
    gt, a = scene()
    eight = (IMAGE * 255).round().to(torch.uint8)
    forms = [eight, eight.permute(1, 2, 0).numpy(), eight.float() / 255, eight.permute(1, 2, 0).double().numpy() / 255]
    shown = [draw.assignment(form, PRIORS, gt, a).axes[0].images[0].get_array() for form in forms]
    assert shown[0].shape == (HEIGHT, WIDTH, 3)
    for other in shown[1:]:
        np.testing.assert_allclose(other, shown[0], atol=1e-6)


def test_neighbours_differ_and_nothing_else_is_red():
    spots = torch.stack(torch.meshgrid(torch.arange(7.0), torch.arange(7.0), indexing="ij"), -1).reshape(-1, 2)
    chosen = style.colours(spots)
    near = torch.cdist(spots, spots) < 1.1
    assert not [(i, j) for i, j in near.nonzero().tolist() if i != j and chosen[i] == chosen[j]]
    assert style.MISSING not in style.PALETTE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image_index": 2}, r"`image_index` in 0\.\.1, got 2"),
        ({"image": IMAGE[0]}, r"\[3, H, W\] or \[H, W, 3\], got \[96, 128\]"),
        ({"image": IMAGE * 255}, r"floats in 0\.\.1, got values 0 to 255"),
        ({"priors": la.Priors.queries(PRIORS.count)}, "got queries"),
    ],
)
def test_what_cannot_be_drawn_is_refused(change, message):
    gt, a = scene()
    given = {"image": IMAGE, "priors": PRIORS, "image_index": 0} | change
    with pytest.raises(ValueError, match=message):
        draw.assignment(given["image"], given["priors"], gt, a, image_index=given["image_index"])


def test_without_matplotlib_a_call_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    gt, a = scene()
    with pytest.raises(ImportError, match=r"pip install 'labelassign\[draw\]'"):
        draw.assignment(IMAGE, PRIORS, gt, a)


def test_matplotlib_is_imported_by_a_call_only():
    code = "import sys, labelassign.draw; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
