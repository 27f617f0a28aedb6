"""What the assigners make of a held-out tile, from the predictions of the two trained networks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import torch
from matplotlib.figure import Figure
from rich.table import Table

import labelassign as la
from examples.aerial import data
from examples.aerial.model import STRIDES, Detector
from examples.aerial.train import predict
from labelassign import draw

TILE = (1753, 288, 320, 240)  # x, y, width, height in the scene data.HELD_OUT
METHODS: dict[str, la.Assigner] = {
    "MaxIoU": la.MaxIoU(),
    "MaxIoU, no rescue": la.MaxIoU(low_quality="off"),
    "ATSS": la.ATSS(),
    "PAA": la.PAA(),
    "LAD": la.LAD(la.PAA()),
    "CoLAD": la.CoLAD(la.PAA(), granularity="gt"),
}


@dataclass(frozen=True)
class Tile:
    """The held-out tile: its pixels [H, W, 3], objects, priors, and what networks A and B predict."""

    pixels: np.ndarray
    gt: la.GroundTruth
    priors: la.Priors
    mine: la.Predictions
    other: la.Predictions

    @classmethod
    @torch.no_grad()
    def predicted(cls, scenes: list[data.Scene], networks: list[Detector], device: str) -> Tile:
        """Cut out the tile and run both networks on it."""
        scene = next(scene for scene in scenes if scene.name == data.HELD_OUT)
        pixels, objects = data.window(scene, *TILE)
        images = data.to_tensor([pixels]).to(device)
        (priors, mine), (_, other) = (predict(network, images) for network in networks)
        return cls(pixels.copy(), la.GroundTruth.from_list([objects]).to(device), priors, mine, other)

    def assign(self, method: str) -> la.Assignment:
        """One interface for all methods; each takes of the predictions what it needs."""
        return METHODS[method](self.priors, self.gt, self.mine, teacher=self.other)


def table(tile: Tile) -> Table:
    """One row per method."""
    strides = " · ".join(map(str, STRIDES))
    columns = ["positive\npriors", f"on strides\n{strides}", "objects\nwithout any", "only\nrescued"]
    columns += ["mean IoU of\nprior boxes", "mean IoU of\npredicted boxes", "time per call\n1 thread"]
    objects = int((~tile.gt.ignore).sum())
    result = Table(title=f"Held-out tile: {objects} tree crowns, {tile.priors.count} priors", title_justify="left")
    result.add_column("method", no_wrap=True)
    for column in columns:
        result.add_column(column, justify="right")
    for method in METHODS:
        result.add_row(method, *_row(tile, method))
    return result


def _row(tile: Tile, method: str) -> Iterator[str]:
    a = tile.assign(method)
    yield str(int(a.positive.sum()))
    yield " · ".join(str(int(level.sum())) for level in a.positive[0].split(tile.priors.level_sizes))
    names = [la.Reason(reason).name for reason in a.reason.tolist()]
    missing = {n: names.count(n) for n in names if n not in ("FINE", "RESCUED", "IGNORED")}
    yield ", ".join(f"{count} {name}" for name, count in missing.items()) or "0"
    yield str(names.count("RESCUED"))
    for boxes in (tile.priors.boxes[None], tile.mine.boxes):
        yield f"{float(a.overlap(boxes, tile.gt)[a.positive].mean()):.2f}"
    yield f"{1e3 * _seconds(lambda: tile.assign(method)):.1f} ms"


def _seconds(call: Callable[[], object]) -> float:
    """Median of 9 calls after 2 that do not count."""
    spent = []
    with one_thread():
        for _ in range(11):
            start = time.perf_counter()
            call()
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            spent.append(time.perf_counter() - start)
    return median(spent[2:])


@contextmanager
def one_thread() -> Iterator[None]:
    """Times that do not depend on the number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def pictures(tile: Tile, folder: Path) -> Iterator[Path]:
    """Write one picture per method, and the candidate costs of one object."""
    folder.mkdir(parents=True, exist_ok=True)
    figures = {
        method: draw.assignment(tile.pixels, tile.priors, tile.gt, tile.assign(method), title=method)
        for method in METHODS
    }
    figures["mixture"] = _mixture(tile)
    for name, figure in figures.items():
        path = folder / f"{name.lower().replace(',', '').replace(' ', '_')}.png"
        figure.savefig(path)
        yield path


def _mixture(tile: Tile) -> Figure:
    """The steps of PAA, one by one, for the object whose candidates separate best."""
    paa = la.PAA()
    cost = paa._propose(tile.priors, tile.gt, tile.mine).cost.flatten(1).sort(1).values
    count = torch.isfinite(cost).sum(1)
    fit = paa.mixture.fit(cost, count)
    state = paa.separation(cost, count, *paa.mixture.classify(cost, count, fit))
    gap = (fit.means[:, 1] - fit.means[:, 0]) / fit.variances.sum(1).sqrt()
    row = int(torch.where(count >= 12, gap, -torch.inf).argmax())
    return draw.mixture(cost, fit, state, row=row, title=f"Tree crown {row}, network A")
