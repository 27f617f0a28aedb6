"""The training recipe: equal options give equal weights, however often it is stopped, and on however many processes."""

import csv
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

import labelassign as la
from examples.recipe.checkpoints import load_state
from examples.recipe.data import Order, batches
from examples.recipe.deciding import Decider
from examples.recipe.logs import Log
from examples.recipe.model import look
from examples.recipe.options import Options
from examples.recipe.sources import SCENES, Trees, open_images
from examples.recipe.state import State, finished
from examples.recipe.train import train

SHORT = Options(steps=6, batch=4, size="small")


@pytest.fixture(autouse=True)
def few_scenes(monkeypatch):
    monkeypatch.setattr("examples.recipe.sources.SCENES", dict.fromkeys(SCENES, 24))
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teacher")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("examples.recipe.sources.SCENES", dict.fromkeys(SCENES, 24))
        train(replace(SHORT, seed=9), folder)
    return folder


def weights(folder):
    return load_state(folder / "state.pt")["networks"]


def same(first, second):
    return all(a[name].equal(b[name]) for a, b in zip(first, second, strict=True) for name in a)


class Stopped(Exception):
    pass


def stop_at(step):
    def after(state):
        if state.step == step:
            raise Stopped

    return after


ARMS = {
    "paa": {},
    "atss": {"assign": "atss", "mirror": True},
    "colad": {"assign": "colad", "criterion": "coin"},
    "fisher": {"assign": "colad", "criterion": "fisher", "granularity": "gt_level"},
    "ema": {"assign": "lad", "teacher": "ema"},
    "half": {"assign": "lad", "teacher": "random", "taught": 0.5},
    "tal": {"assign": "tal", "box_weight": "num_pos"},
}


@pytest.mark.parametrize("arm", ARMS)
def test_a_run_that_was_stopped_ends_with_the_same_weights(arm, tmp_path):
    options = replace(SHORT, **ARMS[arm])
    whole = train(options, tmp_path / "whole")
    with pytest.raises(Stopped):
        train(options, tmp_path / "broken", save_every=2, after=stop_at(5))
    assert load_state(tmp_path / "broken/state.pt")["step"] == 4
    again = train(options, tmp_path / "broken", save_every=2)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "broken"))
    assert whole["scores"] == again["scores"]
    assert [row["loss"] for row in whole["rows"]] == [row["loss"] for row in again["rows"]]


@pytest.mark.parametrize("assign", ["lad", "solad", "soft"])
def test_a_teacher_is_read_from_its_run_and_stays_as_it_is(assign, teacher, tmp_path):
    before = (teacher / "model.pt").read_bytes()
    result = train(replace(SHORT, assign=assign, teacher=str(teacher)), tmp_path)
    assert result["cpu_seconds"]["teacher"] > 0
    assert (teacher / "model.pt").read_bytes() == before
    assert not same(weights(tmp_path), weights(teacher))


def deciding(options, cache=None):
    """A new run's decider, and how it decides the first batch at a given step."""
    images = open_images("digits", "train")
    state = State(options, images.channels, images.classes, "cpu")
    decide = Decider(options, state, 1, cache, "cpu")
    batch = next(batches(images, Order(len(images), 8, 0, range(1)), options.mirror))

    def at(step):
        state.step = step
        looked = [look(network, batch.images) for network in state.networks]
        said = [heads.detached() for _, heads in looked]
        return decide(batch, looked[0][0], said)[0], looked[0][0], said[0].predictions

    return state, batch, at


def test_lad_with_the_student_itself_decides_as_paa(teacher):
    state, batch, at = deciding(replace(SHORT, assign="lad", teacher=str(teacher)))
    state.networks[0].load_state_dict(finished(teacher)[1])
    found, priors, mine = at(0)
    assert found.gt_index.equal(la.PAA()(priors, batch.gt, mine).gt_index)
    assert found.positive.any()


def test_the_student_decides_when_it_was_taught_long_enough():
    _, batch, at = deciding(replace(SHORT, assign="lad", teacher="random", taught=0.5))
    (early, priors, mine), (late, *_) = at(2), at(3)
    alone = la.PAA()(priors, batch.gt, mine).gt_index
    assert late.gt_index.equal(alone)
    assert not early.gt_index.equal(alone)


def test_the_coin_is_tossed_at_every_step():
    *_, at = deciding(replace(SHORT, assign="colad", criterion="coin"))
    assert {float(at(step)[0].diagnostics["teacher_share"]) for step in range(8)} == {0.0, 1.0}


def test_a_kept_decision_is_turned_with_its_image(teacher, tmp_path):
    options = replace(SHORT, assign="lad", teacher=str(teacher), mirror=True)
    _, batch, at = deciding(options, tmp_path)
    (first, priors, _), (kept, *_) = at(0), at(0)
    assert kept.gt_index.equal(first.gt_index)
    assert first.positive[batch.mirrored].any()
    overlap = first.overlap(priors.boxes.expand(8, -1, -1), batch.gt)
    assert (overlap[first.positive] > 0).all()  # a prior that lies elsewhere learns nothing


@pytest.mark.parametrize("mirror", [False, True])
def test_a_cached_teacher_decides_alike(mirror, teacher, tmp_path):
    options = replace(SHORT, assign="lad", teacher=str(teacher), steps=14, mirror=mirror)
    first = train(options, tmp_path / "first", cache=tmp_path / "cache")
    train(options, tmp_path / "second", cache=tmp_path / "cache")
    assert same(weights(tmp_path / "first"), weights(tmp_path / "second"))
    if not mirror:  # mirrored images have the decision of the image as it was, not one of their own
        train(options, tmp_path / "plain")
        assert same(weights(tmp_path / "first"), weights(tmp_path / "plain"))
    assert first["cpu_seconds"]["teacher"] > 0


def test_every_step_is_a_function_of_seed_and_step():
    whole = list(Order(24, 8, 3, range(9)))
    assert list(Order(24, 8, 3, range(5, 9))) == whole[5:]
    assert whole[:3] != list(Order(24, 8, 4, range(3)))
    assert sorted(i for step in whole[3:6] for _, i in step) == list(range(24))
    for rank in range(2):
        parts = list(Order(24, 8, 3, range(9), rank, 2))
        assert parts == [step[rank * 4 : rank * 4 + 4] for step in whole]


def test_mirroring_changes_pixels_and_boxes_alike():
    images = open_images("digits", "train")
    found = next(batches(images, Order(len(images), 8, 0, range(1)), mirror=True))
    assert found.mirrored.any()
    assert not found.mirrored.all()
    plain = next(batches(images, Order(len(images), 8, 0, range(1))))
    assert found.straight.equal(plain.images)
    assert found.straight_gt.boxes.equal(plain.gt.boxes)
    for image, other, mirrored in zip(found.gt.to_list(), plain.gt.to_list(), found.mirrored, strict=True):
        x1, y1, x2, y2 = other["boxes"].T
        expected = torch.stack([96 - x2, y1, 96 - x1, y2], 1) if mirrored else other["boxes"]
        assert image["boxes"].equal(expected)


def test_digits_lie_where_their_boxes_say():
    images = open_images("digits", "train")
    for i in range(len(images)):
        pixels, objects, _ = images.get(i, np.random.default_rng(0))
        boxes = objects["boxes"].astype(int)
        assert ((boxes >= 0) & (boxes <= 96)).all()
        assert (boxes[:, 2:] > boxes[:, :2]).all()
        assert 3 <= len(boxes) <= 8
        bright = [pixels[y1:y2, x1:x2].mean() for x1, y1, x2, y2 in boxes]
        assert np.mean(bright) > pixels.mean()


def test_trees_are_tested_on_what_is_held_out():
    tiles = Trees("test")
    assert len(tiles) > 10
    assert all(x >= scene.trained_width for scene, x, _ in tiles.tiles)


def coco(folder):
    """Two images of trees, in the two layouts."""
    from PIL import Image

    table = {"images": [], "annotations": [], "categories": [{"id": 7, "name": "tree"}]}
    for split, path in (("train", folder / "annotations/instances_train2017.json"), ("val", None)):
        place = folder / ("train2017" if path else split)
        place.mkdir(parents=True)
        rows = {key: list(value) for key, value in table.items()}
        for i in range(4):
            pixels, objects, _ = Trees("train").get(i, np.random.default_rng(i))
            Image.fromarray(pixels[: 200 + i]).save(place / f"{i}.png")
            rows["images"].append({"id": i, "file_name": f"{i}.png", "width": 256, "height": 200 + i})
            for x1, y1, x2, y2 in objects["boxes"][objects["boxes"][:, 3] < 200].tolist():
                box = {"id": len(rows["annotations"]), "image_id": i, "category_id": 7, "iscrowd": 0}
                rows["annotations"].append(box | {"bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)})
        path = path or place / "_annotations.coco.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(rows), encoding="utf-8")


def test_a_folder_in_cocos_format_trains(tmp_path):
    coco(tmp_path / "data")
    options = replace(SHORT, data=str(tmp_path / "data"), side=128, batch=2, steps=3)
    result = train(options, tmp_path / "run", workers=1)
    assert set(result["scores"]) == {"AP", "AP50", "AP75"}
    assert result["rows"]


def test_the_log_is_a_table(tmp_path):
    train(replace(SHORT, steps=20), tmp_path, eval_every=10)
    with (tmp_path / "log.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["10", "20"]
    assert all(float(row["loss"]) > 0 and row["AP"] for row in rows)


def test_tensorboard_reads_what_the_log_says(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = Log(tmp_path, tensorboard=True)
    result = train(replace(SHORT, steps=20, assign="colad"), tmp_path, log=log)
    log.end()
    events = EventAccumulator(str(tmp_path)).Reload()
    for name in ("loss", "student_rho", "teacher_share", "churn"):
        shown = {event.step: event.value for event in events.Scalars(name)}
        assert shown == pytest.approx({row["step"]: row[name] for row in result["rows"] if name in row}, rel=1e-6)


REFUSED = {
    "--assign lad": "needs a --teacher",
    "--assign paa --teacher ema": "takes no --teacher",
    "--assign paa --taught 0.5": "is for --assign lad",
    "--assign best": "invalid choice",
    "--assign lad --teacher nowhere": "train the teacher first",
    "--data nowhere": "neither",
    "--assign paa --cache kept": "needs --assign lad",
    "--batch 100000": "must fit",
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_does_not_fit_is_refused(words, tmp_path, monkeypatch, capsys):
    from examples.recipe.__main__ import main

    monkeypatch.setattr(sys, "argv", ["recipe", *words.split(), "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as told:
        main()
    assert REFUSED[words] in f"{told.value} {capsys.readouterr().err}"


def test_another_run_in_the_folder_is_not_overwritten(tmp_path):
    train(SHORT, tmp_path)
    with pytest.raises(SystemExit, match=r"seed was 0, is 1"):
        train(replace(SHORT, seed=1), tmp_path)
