"""The demonstration runs from end to end, says true things and repeats itself."""

import re

import numpy as np
import pytest
import torch
from PIL import Image

import labelassign as la
from examples.aerial import data, report, train
from tests.examples.running import run


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """What the shortest possible demonstration prints, and its pictures."""
    out = tmp_path_factory.mktemp("demo")
    return run("examples.aerial", "--steps", "2", "--out", str(out)), out


def rows(text):
    """The cells of the printed table, by method."""
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in text.splitlines() if line[:1] == "│"]
    return {row[0]: row[1:] for row in cells}


def test_the_table_adds_up(demo):
    found = rows(demo[0])
    assert list(found) == list(report.METHODS)
    for positive, levels, _, _, prior, predicted, time in found.values():
        assert int(positive) == sum(int(n) for n in levels.split("·")) > 0
        assert 0.1 < float(prior) < 1
        assert 0 < float(predicted) < 1
        assert float(time.removesuffix(" ms")) > 0


def test_the_rescued_are_those_that_would_have_nothing(demo):
    found = rows(demo[0])
    rescued = int(found["MaxIoU"][3])
    assert rescued > 0
    assert found["MaxIoU"][2] == "0"
    assert found["MaxIoU, no rescue"][2:4] == [f"{rescued} REJECTED", "0"]


def test_sources_and_quality_are_stated(demo):
    assert "NEON" in demo[0]
    assert data.WHEEL in demo[0]
    assert re.search(r"2 steps\. AP50 .*: network A 0\.\d\d, network B 0\.\d\d\.", demo[0])


def test_a_picture_for_every_method_and_one_of_a_mixture(demo):
    text, out = demo
    names = {line.rpartition("/")[2] for line in text.splitlines() if line.endswith(".png")}
    assert len(names) == len(report.METHODS) + 1
    assert {path.name for path in out.iterdir()} == names
    for path in out.iterdir():
        with Image.open(path) as picture:
            assert picture.width == 1000
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 20


def test_a_seed_repeats_a_run_and_another_does_not():
    scenes = data.load()

    def weights(seed):
        networks, steps = train.train(scenes, train.Options(steps=2, seed=seed))
        assert steps == 2
        return torch.cat([p.detach().flatten() for network in networks for p in network.parameters()])

    first = weights(0)
    assert torch.equal(first, weights(0))
    assert not torch.equal(first, weights(1))


def test_the_tile_is_never_trained_on():
    scenes = {scene.name: scene for scene in data.load()}
    x, y, width, height = report.TILE
    scene = scenes[data.HELD_OUT]
    assert scene.trained_width <= x
    assert x + width <= scene.pixels.shape[1]
    assert y + height <= scene.pixels.shape[0]


def painted(size=200):
    """A scene whose objects are white, and whose held-out columns are red."""
    boxes = np.array([[10, 20, 40, 70], [60, 5, 90, 30], [100, 100, 150, 120]], np.float32)
    pixels = np.zeros((size, size, 3), np.uint8)
    for x1, y1, x2, y2 in boxes.astype(int):
        pixels[y1:y2, x1:x2] = 255
    scene = data.Scene(data.HELD_OUT, pixels, boxes)
    pixels[:, scene.trained_width :] = (255, 0, 0)
    return scene


def test_windows_stay_in_the_training_part_and_boxes_follow_the_pixels():
    images, gt = data.batch([painted()], np.random.default_rng(0), 64, 96)
    pixels = ((images + 0.4) * 255).round().to(torch.uint8)
    assert torch.equal(pixels[:, 0], pixels[:, 1])  # nothing red
    canvas = torch.zeros_like(pixels[:, 0])
    for row, (x1, y1, x2, y2) in enumerate(gt.boxes.long().tolist()):
        canvas[gt.image_of[row], y1:y2, x1:x2] = 255
    assert torch.equal(canvas, pixels[:, 0])


def test_less_than_half_of_an_object_is_an_ignored_region():
    _, objects = data.window(painted(), 24, 0, 60, 60)
    gt = la.GroundTruth.from_list([objects])
    assert gt.boxes.tolist() == [[0, 20, 16, 60], [36, 5, 60, 30]]
    assert gt.ignore.tolist() == [True, False]  # 43 % of the first is visible, 80 % of the second
