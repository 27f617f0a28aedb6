"""Which method leaves which trees without a positive: all crowns of four aerial images, before any training.

MaxIoU, ATSS and FCOS read the geometry alone. The others rank by a network's predictions, and there is no network here:
they get their own priors as predicted boxes, and one score for all. What is shown of them is therefore what a detector
starts its training from, not what a trained one chooses. Run it: `python -m examples.audit_trees`
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import torch

import labelassign as la
from examples.aerial import data

STRIDES, SIDES = (8, 16, 32, 64, 128), (20, 30, 45)
METHODS: dict[str, la.Assigner] = {
    "MaxIoU": la.MaxIoU(),
    "MaxIoU, no rescue": la.MaxIoU(low_quality="off"),
    "ATSS": la.ATSS(),
    "FCOS": la.FCOS(),
    "Uniform": la.Uniform(),
    "PAA": la.PAA(),
    "TaskAligned": la.TaskAligned(),
    "SimOTA": la.SimOTA(),
    "DynamicSoftLabel": la.DynamicSoftLabel(),
}
Batch = tuple[la.Priors, la.GroundTruth, la.Predictions]


def batches(scenes: list[data.Scene], scale: float) -> Iterator[Batch]:
    """Whole images one by one: one square anchor at the centre of every cell, and all trees."""
    for scene in scenes:
        priors = la.Priors.grid(image_size=scene.pixels.shape[:2], strides=STRIDES, scale=scale, offset=0.5)
        objects = {"boxes": scene.boxes, "labels": np.zeros(len(scene.boxes), np.int64)}
        untrained = la.Predictions(priors.boxes[None], torch.zeros(1, priors.count, 1))
        yield priors, la.GroundTruth.from_list([objects]), untrained


def line(method: str, report: la.AuditReport) -> str:
    """Trees without a positive: all, by size, and why; and how many positives each of the others has."""
    sizes = [f"{gone} of {of}" for gone, of in zip(report.without.sum(1), report.objects.sum(1), strict=True)]
    codes = [f"{n} {la.Reason(code).name}" for code, n in enumerate(report.without.sum(0).tolist()) if n]
    left, trees = int(report.without.sum()), int(report.objects.sum())
    each = int(report.positives.sum()) / max(trees - left, 1)
    cells = "".join(f"{cell:>12}" for cell in sizes[: len(SIDES) + 1])
    return f"{method:18}{left:>5}{cells}{each:>11.1f}   {', '.join(codes)}".rstrip()


def names(method: str, report: la.AuditReport, scenes: list[data.Scene]) -> str:
    """The first of these trees: image, row in its list of boxes, size."""
    found = report.missing()
    named = [f"{scenes[tree.image].name} #{tree.row} ({tree.size:.0f} px)" for tree in found[:2]]
    more = [f"and {len(found) - 2} more"] if len(found) > 2 else []
    return f"{method:18} {' '.join([', '.join(named), *more])}"


def main() -> None:
    """Audit every method on all images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--scale", type=float, default=8, help="side of the anchors in strides (default 8, as for COCO)"
    )
    scale = parser.parse_args().scale

    print(data.ATTRIBUTION)
    scenes = data.load()
    reports = {name: la.audit(method, batches(scenes, scale), sizes=SIDES) for name, method in METHODS.items()}
    trees, anchors = sum(len(scene.boxes) for scene in scenes), [scale * stride for stride in STRIDES]
    print(f"\n{trees} trees, {len(scenes)} images, anchors of {', '.join(f'{side:g}' for side in anchors)} pixels.")
    print("Trees without a positive, by the square root of their area; positives of each other tree; reasons:")
    heads = [f"< {SIDES[0]} px", *(f"{a}-{b} px" for a, b in pairwise(SIDES)), f">= {SIDES[-1]} px"]
    print(f"{'':18}{'all':>5}{''.join(f'{head:>12}' for head in heads)}{'positives':>11}")
    for name, report in reports.items():
        print(line(name, report))
    print("\nWhich trees:")
    for name, report in reports.items():
        if report.missing():
            print(names(name, report, scenes))


if __name__ == "__main__":
    main()
