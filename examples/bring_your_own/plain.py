"""Your detector in a loop of yours: the same twenty lines for ATSS, PAA, or any assigner without a teacher.

Run it: `python -m examples.bring_your_own.plain`
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

import labelassign as la
from examples.aerial.model import STRIDES, shapes
from examples.bring_your_own import yours
from examples.common import describe, steps_asked

# --- assignment
CODER = la.DeltaCoder(stds=(0.1, 0.1, 0.2, 0.2))  # what your box outputs mean; or LTRBCoder, DFLCoder


def step(network: nn.Module, images: Tensor, objects: list, assigner: la.Assigner) -> tuple[Tensor, tuple]:
    """The loss of one batch, and what it was made from."""
    scores, deltas = network(images)  # one map [B, A·C, H, W] and one [B, A·4, H, W] for each level
    # where you predict from: here one square per cell, three strides wide; any boxes do, `la.Priors.from_boxes`
    priors = la.Priors.grid(shapes(scores), strides=STRIDES, scale=3, offset=0.5, device=images.device)
    mine = la.Predictions.from_levels(scores, deltas, priors, coder=CODER)
    gt = la.GroundTruth.from_list(objects).to(images.device)
    assignment = assigner(priors, gt, mine)
    target = assignment.targets(gt, background=yours.CLASSES, one_hot=True)  # labels, boxes, cls_weight, loc_weight
    total = yours.loss(mine.scores, mine.boxes, *target)
    return total / assignment.normalizer("num_pos"), (assignment, mine, gt)


# --- end


def train(assigner: la.Assigner, steps: int) -> nn.Module:
    """Train from the same start, whatever the assigner."""
    network, (batch,) = yours.network(), yours.loader()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
    for number in range(steps):
        loss, records = step(network, *batch, assigner)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if number in (0, steps - 1):
            print(describe("after" if number else "before", *records) + f", loss {float(loss.detach()):.3f}")
    return network


def main() -> None:
    """Train once with each assigner."""
    steps = steps_asked(__doc__, 20)
    for assigner in (la.ATSS(), la.PAA()):
        print(type(assigner).__name__)
        train(assigner, steps)


if __name__ == "__main__":
    main()
