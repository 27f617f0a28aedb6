"""Every example of an adapter runs, learns, and says what its assigners do."""

import re

import pytest

from tests.examples.running import run

# example: arguments that keep it short, and how often it trains
NAMES = {
    "yolox": (("--steps", "8"), 3),
    "monai": (("--steps", "6"), 3),
    "torchvision": (("--steps", "10"), 3),
    "ultralytics": (("--steps", "8"), 2),
    "mmdet": (("--steps", "10"), 3),
    "transformers": (("--steps", "12"), 3),
    "effdet": (("--steps", "10"), 3),
    "rfdetr": (("--steps", "12"), 2),
}
THROUGH = {"mmdet": ("tests.examples.on_mmcv_lite",)}


@pytest.mark.parametrize("name", NAMES)
def test_it_learns(name):
    arguments, runs = NAMES[name]
    text = run(*THROUGH.get(name, ()), f"examples.with_{name}", *arguments)
    lines = {
        when: re.findall(rf"{when}\s.*?([\d.]+) positives per object.* loss ([\d.]+)", text)
        for when in ("before", "after")
    }
    assert [len(found) for found in lines.values()] == [runs, runs]
    for (count, first), (_, last) in zip(lines["before"], lines["after"], strict=True):
        assert 0.5 < float(count) < 100
        assert float(last) < float(first)
