"""Batches: a function of the seed and the step alone, on one process or on several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Sampler

import labelassign as la
from examples.recipe.sources import Images, Objects


@dataclass(frozen=True)
class Batch:
    """Images and what is in them.

    Attributes:
        images: float [B, C, H, W].
        gt: their objects.
        names: what a cache knows the images by, before any was mirrored.
        mirrored: which of them are mirrored left to right, bool [B].
        straight_gt: the objects before that.
    """

    images: Tensor
    gt: la.GroundTruth
    names: tuple[str, ...]
    mirrored: Tensor
    straight_gt: la.GroundTruth

    @property
    def straight(self) -> Tensor:
        """The images before any was mirrored."""
        return torch.where(self.mirrored[:, None, None, None], self.images.flip(-1), self.images)

    def to(self, device: str) -> Batch:
        """The same on another device."""
        moved = (each.to(device) for each in (self.images, self.gt, self.mirrored, self.straight_gt))
        images, gt, mirrored, straight_gt = moved
        return Batch(images, gt, self.names, mirrored, straight_gt)


class Order(Sampler[list[tuple[int, int]]]):
    """Which images every step sees: a function of the seed and the step alone, so that any run can go on anywhere.

    Of `ranks` processes each takes its part of every batch: together they see what one process would.
    """

    def __init__(self, count: int, batch: int, seed: int, steps: range, rank: int = 0, ranks: int = 1) -> None:
        if count < batch or batch % ranks:
            raise SystemExit(f"a batch of {batch} for {ranks} processes, out of {count} images: it must fit and divide")
        self.count, self.batch, self.seed, self.steps = count, batch, seed, steps
        self.mine = slice(rank * batch // ranks, (rank + 1) * batch // ranks)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        per_epoch = self.count // self.batch
        for step in self.steps:
            epoch, at = divmod(step, per_epoch)
            chosen = np.random.default_rng((self.seed, epoch)).permutation(self.count)
            yield [(epoch, int(i)) for i in chosen[at * self.batch : (at + 1) * self.batch][self.mine]]

    def __len__(self) -> int:
        return len(self.steps)


Read = tuple[np.ndarray, Objects, str, bool]


class Loaded:
    """Reads one image as a worker of a DataLoader does: everything random follows from seed, epoch and index."""

    def __init__(self, images: Images, seed: int, mirror: bool) -> None:
        self.images, self.seed, self.mirror = images, seed, mirror

    def __getitem__(self, which: tuple[int, int]) -> Read:
        """Pixels, objects, the image's name, and whether it is to be mirrored."""
        rng = np.random.default_rng((self.seed, *which))
        pixels, objects, name = self.images.get(which[1], rng)
        return pixels, objects, name, bool(self.mirror and rng.random() < 0.5)


def collate(parts: Sequence[Read]) -> Batch:
    """Images as numbers around 0; they lie in memory channel by channel last, as they came."""
    _, objects, names, mirrored = zip(*parts, strict=True)
    shown = [(p[:, ::-1], _flipped(o, p.shape[1])) if m else (p, o) for p, o, _, m in parts]
    images = torch.from_numpy(np.stack([p for p, _ in shown])).permute(0, 3, 1, 2).float() / 255 - 0.4
    gt, straight = (la.GroundTruth.from_list(each) for each in ([o for _, o in shown], objects))
    return Batch(images, gt, names, torch.tensor(mirrored), straight)


def _flipped(objects: Objects, width: int) -> Objects:
    x1, y1, x2, y2 = objects["boxes"].T
    return objects | {"boxes": np.stack([width - x2, y1, width - x1, y2], 1)}


def batches(images: Images, order: Order, mirror: bool = False, workers: int = 0) -> Iterator[Batch]:
    """The batches of those steps."""
    source: Any = Loaded(images, order.seed, mirror)
    return iter(DataLoader(source, batch_sampler=order, collate_fn=collate, num_workers=workers))
