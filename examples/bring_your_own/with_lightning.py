"""Your detector in a LightningModule: PAA, then LAD with the network of the first run as the teacher.

Run it: `python -m examples.bring_your_own.with_lightning`  (pip install lightning)
"""

from __future__ import annotations

from typing import Any

import lightning
import torch
from torch import Tensor, nn

import labelassign as la
from examples.aerial.model import STRIDES, shapes
from examples.bring_your_own import yours
from examples.common import describe, steps_asked

# --- assignment
CODER = la.DeltaCoder(stds=(0.1, 0.1, 0.2, 0.2))


def predict(network: nn.Module, images: Tensor) -> tuple[la.Priors, la.Predictions]:
    """Where a network predicts from, and what."""
    scores, deltas = network(images)
    priors = la.Priors.grid(shapes(scores), strides=STRIDES, scale=3, offset=0.5, device=images.device)
    return priors, la.Predictions.from_levels(scores, deltas, priors, coder=CODER)


class Taught(lightning.LightningModule):
    """A network, and perhaps a teacher whose predictions decide what it learns."""

    def __init__(self, network: nn.Module, assigner: la.Assigner, teacher: nn.Module | None = None) -> None:
        super().__init__()
        self.network, self.assigner = network, assigner
        self.teacher = None if teacher is None else teacher.requires_grad_(False)

    def training_step(self, batch: tuple[Tensor, list], _: int) -> Tensor:
        """The loss of one batch."""
        images, objects = batch
        priors, mine = predict(self.network, images)
        # Lightning puts every part into training mode; the teacher must leave it
        theirs = None if self.teacher is None else predict(self.teacher.eval(), images)[1]
        gt = la.GroundTruth.from_list(objects).to(images.device)
        assignment = self.assigner(priors, gt, mine, teacher=theirs, step=self.global_step)
        self.records = (assignment, mine.detach(), gt)
        self.log("positives", assignment.positive.sum(1).float().mean())
        total = yours.loss(mine.scores, mine.boxes, *assignment.targets(gt, background=yours.CLASSES, one_hot=True))
        return total / assignment.normalizer("num_pos", reduce=True)  # over the processes, like their gradients

    # --- end

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Of the network alone."""
        return torch.optim.AdamW(self.network.parameters(), lr=1e-3)


class Tell(lightning.Callback):
    """Print what the assigner did in the first and in the last step."""

    def on_train_batch_end(self, trainer: Any, module: Taught, outputs: Any, *_: Any) -> None:
        """After each step."""
        if trainer.global_step in (1, trainer.max_steps):
            when = "before" if trainer.global_step == 1 else "after"
            print(describe(when, *module.records) + f", loss {float(outputs['loss']):.3f}")


def train(module: Taught, steps: int) -> nn.Module:
    """The four images as one batch, so many times."""
    print(type(module.assigner).__name__)
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    trainer = lightning.Trainer(accelerator="cpu", max_steps=steps, log_every_n_steps=1, callbacks=[Tell()], **quiet)
    trainer.fit(module, yours.loader())
    return module.network


def main() -> None:
    """Train twice."""
    steps = steps_asked(__doc__, 20)
    teacher = train(Taught(yours.network(), la.PAA()), steps)
    train(Taught(yours.network(), la.LAD(la.PAA()), teacher), steps)


if __name__ == "__main__":
    main()
