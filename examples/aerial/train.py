"""Two detectors train together; at every object the one with the clearer opinion assigns the priors for both."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss
from tqdm import tqdm

import labelassign as la
from examples.aerial import data
from examples.aerial.model import STRIDES, Detector, shapes

CODER = la.DeltaCoder(stds=(0.1, 0.1, 0.2, 0.2))
ASSIGNER = la.CoLAD(la.PAA(), granularity="gt")
WARM_UP, BATCH, SIZE, RATE = 20, 4, 256, 2e-3


@dataclass(frozen=True)
class Options:
    """How long to train (seconds, or exactly so many steps), from which seed, on which device."""

    seconds: float = 60.0
    steps: int | None = None
    seed: int = 0
    device: str = "cpu"


def predict(network: Detector, images: Tensor) -> tuple[la.Priors, la.Predictions]:
    """The priors of a batch, anchors of 24, 48 and 96 pixels, and what a network predicts from them."""
    scores, deltas = network(images)
    priors = la.Priors.grid(shapes(scores), strides=STRIDES, scale=3, offset=0.5, device=images.device)
    return priors, la.Predictions.from_levels(scores, deltas, priors, coder=CODER)


def loss(mine: la.Predictions, assignment: la.Assignment, gt: la.GroundTruth) -> Tensor:
    """Focal loss, plus the generalised IoU loss of positives weighted by their overlap."""
    target = assignment.targets(gt, background=1, one_hot=True)
    focal = sigmoid_focal_loss(mine.scores, target.labels, reduction="none").sum(-1)
    overlap = assignment.overlap(mine.boxes, gt)
    giou = generalized_box_iou_loss(mine.boxes, target.boxes, reduction="none")
    cls = (focal * target.cls_weight).sum() / assignment.normalizer("num_pos")
    box = (giou * target.loc_weight * overlap).sum() / assignment.normalizer("iou_sum", overlap=overlap)
    return cls + box


def train(scenes: list[data.Scene], options: Options) -> tuple[list[Detector], int]:
    """Train two detectors of different size; returns them in eval mode, and the number of steps."""
    torch.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    # channels_last is how the images lie in memory, and a sixth faster on a CPU
    networks = [Detector(width).to(options.device, memory_format=torch.channels_last) for width in (16, 24)]
    optimizer = torch.optim.AdamW([p for network in networks for p in network.parameters()], lr=RATE, weight_decay=0.01)
    step, shown = 0, {}
    for step, bar in _steps(options, optimizer):
        images, gt = data.batch(scenes, rng, BATCH, SIZE)
        images, gt = images.to(options.device), gt.to(options.device)
        (priors, mine), (_, other) = (predict(network, images) for network in networks)
        assignment = ASSIGNER(priors, gt, mine, teacher=other, step=step)
        losses = [loss(predictions, assignment, gt) for predictions in (mine, other)]
        optimizer.zero_grad(set_to_none=True)
        torch.stack(losses).sum().backward()
        optimizer.step()
        _show(bar, shown, losses, assignment)
    return [network.eval() for network in networks], step + 1


def _steps(options: Options, optimizer: torch.optim.Optimizer) -> Iterator[tuple[int, tqdm]]:
    """Count steps and set the learning rate: a warm-up that also measures the speed, then a cosine down to 0.

    After the warm-up the number of steps is fixed, so `--steps` with that number repeats a run exactly.
    """
    total, step, start = options.steps, 0, time.perf_counter()
    with tqdm(total=total, desc="training", unit="step", dynamic_ncols=True) as bar:
        while step < (total or WARM_UP):
            done = 0.0 if total is None else max(step - WARM_UP, 0) / max(total - WARM_UP, 1)
            rate = RATE * min(1.0, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * done)) / 2
            for group in optimizer.param_groups:
                group["lr"] = rate
            yield step, bar
            bar.update()
            step += 1
            if total is None and step == WARM_UP:
                spent = time.perf_counter() - start
                total = max(WARM_UP, round(options.seconds / spent * WARM_UP))
                bar.total = total


def _show(bar: tqdm, shown: dict[str, float], losses: list[Tensor], assignment: la.Assignment) -> None:
    """Running means under the progress bar; on an accelerator this waits for the device once in ten steps."""
    if bar.n % 10 and bar.n > 1:
        return
    report = assignment.diagnostics
    now = {"loss A": losses[0], "loss B": losses[1], "rho A": report["student_rho"], "rho B": report["teacher_rho"]}
    now["B decides"] = report["teacher_share"]
    for name, value in now.items():
        shown[name] = 0.7 * shown.get(name, float(value.detach())) + 0.3 * float(value.detach())
    bar.set_postfix({name: f"{value:.2f}" for name, value in shown.items()})
