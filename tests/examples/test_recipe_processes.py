"""The training recipe on two processes, and killed."""

import json
import os
import re
import subprocess
import sys

import pytest
import torch

from examples.recipe.checkpoints import load_state

ROOT = os.fspath(__import__("pathlib").Path(__file__).parents[2])
SHORT = {"steps": 4, "batch": 4, "size": "small"}
ALONE, TWO = [sys.executable, "-m"], [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]


def call(*words):
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=settings, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def run(folder, *more, ranks=1, **options):
    how = [*TWO, f"--master_port={20000 + os.getpid() % 20000}", "-m"] if ranks == 2 else ALONE
    call(*how, "tests.examples.recipe_run", str(folder), json.dumps({**SHORT, **options}), *map(str, more))
    return load_state(folder / "state.pt")


def near(first, second):
    for a, b in zip(first["networks"], second["networks"], strict=True):
        for name in a:
            torch.testing.assert_close(a[name], b[name], rtol=0, atol=2e-4)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"assign": "colad", "criterion": "std_mean"},
        {"assign": "solad", "teacher": "random"},
    ],
    ids=["paa", "colad", "solad"],
)
def test_two_processes_learn_as_one_with_twice_the_batch(options, tmp_path):
    one, two = (run(tmp_path / str(ranks), ranks=ranks, **options) for ranks in (1, 2))
    near(one, two)
    alike = [{k: v for k, v in row.items() if k in ("positives", "without", "teacher_share")} for row in one["rows"]]
    assert alike
    assert alike == [{k: row[k] for k in want} for row, want in zip(two["rows"], alike, strict=True)]


def test_a_process_without_objects_is_no_special_case(tmp_path):
    from PIL import Image

    folder = tmp_path / "data"
    for split in ("train", "val"):
        (folder / split).mkdir(parents=True)
        rows = {"images": [], "annotations": [], "categories": [{"id": 1, "name": "dot"}]}
        for i in range(2):
            Image.new("RGB", (64, 64), (40 * i, 90, 20)).save(folder / split / f"{i}.png")
            rows["images"].append({"id": i, "file_name": f"{i}.png", "width": 64, "height": 64})
        box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 8, 30, 20], "area": 600, "iscrowd": 0}
        rows["annotations"].append(box)
        (folder / split / "_annotations.coco.json").write_text(json.dumps(rows), encoding="utf-8")
    options = {"data": str(folder), "side": 64, "batch": 2, "assign": "colad"}
    near(*(run(tmp_path / str(ranks), ranks=ranks, **options) for ranks in (1, 2)))


def test_killed_at_twenty_random_moments_it_ends_with_the_same_weights(tmp_path):
    teacher = tmp_path / "teacher"
    run(teacher, seed=9)
    options = {**SHORT, "steps": 120, "assign": "lad", "teacher": str(teacher)}
    whole = run(tmp_path / "whole", tmp_path / "cache of its own", **options)
    killed, cache = tmp_path / "killed", tmp_path / "cache"
    words = ("tests.examples.recipe_kills", "20", "0", str(killed), json.dumps(options), str(cache))
    runs = int(re.search(r"killed 20 times in (\d+) runs", call(*ALONE, *words))[1])
    for number in range(runs):
        # what the killed run kept serves another run, and is right
        served = run(tmp_path / "served" / str(number), cache / str(number), **options)
        for ended in (load_state(killed / str(number) / "state.pt"), served):
            for a, b in zip(whole["networks"], ended["networks"], strict=True):
                assert all(a[name].equal(b[name]) for name in a)
