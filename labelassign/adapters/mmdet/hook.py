"""Importing this makes `attach` known to configs: `custom_hooks = [dict(type='labelassign.Attach', ...)]`."""

from __future__ import annotations

from typing import Any

from mmengine.hooks import Hook
from mmengine.registry import HOOKS, Registry
from mmengine.runner import load_checkpoint

from labelassign import checks
from labelassign.adapters.handle import Handle
from labelassign.adapters.mmdet import attach
from labelassign.adapters.mmdet.configs import made
from labelassign.adapters.teaching import trains_both

WHO = "labelassign.Attach"


class Attach(Hook):  # pyright: ignore[reportUntypedBaseClass]
    """Does what `attach` does when training begins, and logs what the assigner does; a resumed run goes on counting.

        custom_imports = dict(imports=["labelassign.adapters.mmdet.hook"])
        custom_hooks = [dict(type="labelassign.Attach", assigner=dict(type="PAA", preset="mmdet"))]

    Arguments:
        assigner: an assigner, or a config of one, as `configs.made` has it.
        teacher: for LAD: a detector, or its config (CoLAD's also needs the optimizer: call `attach` yourself).
        checkpoint: file of the teacher's weights.
        box_weight: see `attach`.
        interval: steps between two entries of the log, "train/assignment_…"; each waits for the device.
    """

    def __init__(
        self,
        assigner: Any,
        teacher: Any = None,
        checkpoint: str | None = None,
        box_weight: str | None = None,
        interval: int = 50,
    ) -> None:
        """Nothing is built yet."""
        self.assigner, self.teacher, self.checkpoint = made(assigner), teacher, checkpoint
        self.box_weight, self.interval = box_weight, interval
        self.handle: Handle | None = None
        if trains_both(self.assigner):
            fix = "Call `attach` and give the optimizer `Pair(model, teacher)`."
            checks.fail(WHO, "an assigner whose teacher does not train", type(self.assigner).__name__, fix)

    def before_train(self, runner: Any) -> None:
        """Attach to the runner's model."""
        teacher = self.teacher
        if isinstance(teacher, dict):
            from mmdet.registry import MODELS

            teacher = MODELS.build(teacher)
        if teacher is not None:
            if self.checkpoint is not None:
                load_checkpoint(teacher, self.checkpoint, map_location="cpu")
            teacher.to(next(runner.model.parameters()).device)
        self.handle = attach(runner.model, self.assigner, teacher=teacher, box_weight=self.box_weight)
        self.handle.step = runner.iter

    def after_train_iter(self, runner: Any, *_: Any, **__: Any) -> None:
        """Log the last step."""
        if self.handle is not None and self.every_n_train_iters(runner, self.interval):
            for name, value in self.handle.stats.items():
                runner.message_hub.update_scalar(f"train/assignment_{name}", value)

    def after_train(self, runner: Any) -> None:
        """Put the model back."""
        if self.handle is not None:
            self.handle.detach()


NAMES = Registry("labelassign hook", parent=HOOKS, scope="labelassign")
NAMES.register_module(name="Attach", module=Attach)
