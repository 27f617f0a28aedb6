"""Where images come from: scenes of digits, aerial photographs of trees, or any folder in COCO's format."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from PIL import Image

import labelassign as la
from examples.aerial import data as aerial
from examples.recipe import digits

SCENES = {"train": 1600, "tune": 300, "test": 600}  # of digits
TILE = 256
Objects = dict[str, np.ndarray]


class Images(Protocol):
    """A split of a data set; all images are of one size."""

    channels: int
    classes: int

    def __len__(self) -> int:
        """How many."""
        ...

    def get(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, Objects, str]:
        """uint8 pixels [H, W, channels]; boxes, labels, ignore; a name. `rng` chooses where there is a choice."""
        ...


class Digits:
    """Scenes of scikit-learn's handwritten digits, 96 x 96."""

    channels, classes = 1, 10

    def __init__(self, split: str, count: int) -> None:
        self.split = split
        self.pixels, self.objects = digits.load(split, count)

    def __len__(self) -> int:
        return len(self.pixels)

    def get(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, Objects, str]:
        """Always the same."""
        return self.pixels[index], self.objects[index], f"digits/{self.split}/{index}"


class Trees:
    """Aerial photographs: random windows to train on, fixed tiles of the parts held out to test on."""

    channels, classes = 3, 1

    def __init__(self, split: str) -> None:
        self.scenes, self.random = aerial.load(), split == "train"
        self.tiles = [(scene, x, y) for scene in self.scenes for x, y in _corners(scene)]

    def __len__(self) -> int:
        return 400 if self.random else len(self.tiles)

    def get(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, Objects, str]:
        """A window of 256 x 256."""
        if not self.random:
            scene, x, y = self.tiles[index]
            return *aerial.window(scene, x, y, TILE, TILE), f"{scene.name}/{x},{y}"
        area = np.array([scene.trained_width * scene.pixels.shape[0] for scene in self.scenes], float)
        scene = self.scenes[rng.choice(len(self.scenes), p=area / area.sum())]
        x, y = (rng.integers(side - TILE + 1) for side in (scene.trained_width, scene.pixels.shape[0]))
        return *aerial.window(scene, int(x), int(y), TILE, TILE), f"{scene.name}/{x},{y}"


def _corners(scene: aerial.Scene) -> Iterator[tuple[int, int]]:
    height, width = scene.pixels.shape[:2]
    for y in range(0, height - TILE + 1, TILE):
        yield from ((x, y) for x in range(scene.trained_width, width - TILE + 1, TILE))


class Coco:
    """`annotations/instances_SPLIT*.json` beside `SPLIT*/`, or `SPLIT/_annotations.coco.json`; padded squares."""

    channels = 3

    def __init__(self, folder: Path, split: str, side: int) -> None:
        inside = folder / split / "_annotations.coco.json"
        found = [inside] if inside.exists() else sorted((folder / "annotations").glob(f"instances_{split}*.json"))
        if not found:
            raise SystemExit(f"{folder}: neither {inside} nor annotations/instances_{split}*.json is there")
        self.table = json.loads(found[0].read_text(encoding="utf-8"))
        self.folder = inside.parent if inside.exists() else folder / found[0].stem.removeprefix("instances_")
        self.split, self.side, self.classes = split, side, len(self.table["categories"])
        self.objects = la.GroundTruth.from_coco(self.table, on_bad_box="drop").to_list()

    def __len__(self) -> int:
        return len(self.table["images"])

    def get(self, index: int, rng: np.random.Generator) -> tuple[np.ndarray, Objects, str]:
        """Shrunk or enlarged to fill the square on its longer side, zeros beyond."""
        with Image.open(self.folder / self.table["images"][index]["file_name"]) as image:
            scale = self.side / max(image.size)
            small = image.convert("RGB").resize([max(1, round(side * scale)) for side in image.size])
        pixels = np.zeros((self.side, self.side, 3), np.uint8)
        pixels[: small.height, : small.width] = small
        objects = {name: value.numpy() for name, value in self.objects[index].items() if name != "image_size"}
        name = self.table["images"][index]["file_name"]
        return pixels, objects | {"boxes": objects["boxes"] * np.float32(scale)}, f"{self.split}/{name}/{self.side}"


def open_images(name: str, split: str, side: int = 320) -> Images:
    """A split of "digits", "trees", or of the folder of that name; "val" is what COCO calls its "test"."""
    if name == "digits":
        return Digits(split, SCENES[split])
    if name == "trees":
        return Trees(split)
    return Coco(Path(name), "val" if split == "test" else split, side)
