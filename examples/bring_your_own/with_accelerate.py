"""Two detectors of yours in Accelerate that learn together: at every object the one with the clearer opinion decides.

Run it: `accelerate launch -m examples.bring_your_own.with_accelerate`, or with `python -m` for one process
(pip install accelerate)
"""

from __future__ import annotations

import torch
from accelerate import Accelerator
from torch import Tensor, nn

import labelassign as la
from examples.aerial.model import STRIDES, shapes
from examples.bring_your_own import yours
from examples.common import describe, steps_asked

# --- assignment
CODER, ASSIGNER = la.DeltaCoder(stds=(0.1, 0.1, 0.2, 0.2)), la.CoLAD(la.PAA())


class Both(nn.Module):
    """Two networks as one, because `prepare` wraps one module whose forward is all that trains."""

    def __init__(self, *networks: nn.Module) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, images: Tensor) -> list[tuple[list[Tensor], list[Tensor]]]:
        """What each says."""
        return [network(images) for network in self.networks]


def step(both: nn.Module, images: Tensor, objects: list) -> tuple[Tensor, tuple]:
    """The loss of both for one batch, and what it was made from."""
    answers = both(images)
    priors = la.Priors.grid(shapes(answers[0][0]), strides=STRIDES, scale=3, offset=0.5, device=images.device)
    mine, theirs = (la.Predictions.from_levels(*answer, priors, coder=CODER) for answer in answers)
    gt = la.GroundTruth.from_list(objects).to(images.device)
    assignment = ASSIGNER(priors, gt, mine, teacher=theirs)
    target = assignment.targets(gt, background=yours.CLASSES, one_hot=True)
    total = sum(yours.loss(each.scores, each.boxes, *target) for each in (mine, theirs))
    # averaged over the processes, as Accelerate averages their gradients
    return total / assignment.normalizer("num_pos", reduce=True), (assignment, mine, gt)


# --- end


def main() -> None:
    """Train a smaller and a larger network; the statistics are of the smaller one."""
    steps = steps_asked(__doc__, 20)
    accelerator = Accelerator()
    both = Both(yours.network(16), yours.network(24))
    optimizer = torch.optim.AdamW(both.parameters(), lr=1e-3)
    both, optimizer, loader = accelerator.prepare(both, optimizer, yours.loader())
    accelerator.print(type(ASSIGNER).__name__)
    for number in range(steps):
        for images, objects in loader:  # one batch
            loss, records = step(both, images, objects)
            optimizer.zero_grad()
            accelerator.backward(loss)
            optimizer.step()
        if number in (0, steps - 1):
            text = describe("after" if number else "before", *records)
            accelerator.print(f"{text}, loss {float(loss.detach()):.3f}")


if __name__ == "__main__":
    main()
