"""A whole `YOLO`: its trainers make models of their own, which public callbacks reach."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labelassign.adapters.handle import Handle
from labelassign.adapters.teaching import inner
from labelassign.adapters.ultralytics.branches import Branches

Attach = Callable[..., Branches]
MARK = "assignment/"  # what loggers call the numbers


class Training:
    """The callbacks of one `YOLO`: whatever it trains gets the assigners, and so does what is validated.

    The average of the model has them during validation alone, so that checkpoints hold nothing of ours.
    """

    def __init__(self, handle: Branches, attach: Attach) -> None:
        """`attach(model, assigners, teacher)` is done to the models of trainers."""
        self.handle, self.attach = handle, attach
        self.now: Branches | None = None
        self.active = True  # trainers keep callbacks of their own
        self._average: Any = None

    @property
    def _events(self) -> dict[str, Any]:
        names = ("train_start", "train_epoch_start", "train_batch_start", "train_batch_end", "train_epoch_end")
        return {
            f"on_{name}": getattr(self, name) for name in (*names, "val_start", "val_end", "fit_epoch_end", "train_end")
        }

    def register(self) -> None:
        """Into the callbacks of the handle's model."""
        for event, function in self._events.items():
            self.handle.model.add_callback(event, function)
        self.handle.hook(self)

    def remove(self) -> None:
        """Out of them, and away from what is being trained."""
        callbacks = self.handle.model.callbacks
        for event, function in self._events.items():
            callbacks[event] = [each for each in callbacks[event] if each != function]
        self.train_end(None)
        self.active = False

    def _teacher(self, device: Any) -> Any:
        mentor = self.handle.mentor
        return None if mentor is None else mentor.module.to(device)

    def _put(self, model: Any, device: Any) -> Branches:
        _clean(model)
        made = self.attach(model, self.handle.assigners, self._teacher(device))
        self.handle.lead(made)
        return made

    def train_start(self, trainer: Any) -> None:
        """The trainer's model is ready; steps count on where a resumed run stopped."""
        if not self.active:
            return
        for handle in self.handle.by_branch.values():
            handle.step = trainer.start_epoch * len(trainer.train_loader)
        self.now = self._put(inner(trainer.model), trainer.device)

    def train_batch_start(self, _: Any) -> None:
        """Assigners may have been exchanged."""
        if self.now is not None:
            self.handle.lead(self.now)

    def train_batch_end(self, _: Any) -> None:
        """What was decided shows on the handle of the `YOLO`."""
        if self.now is not None:
            self.handle.follow(self.now)

    def train_epoch_start(self, trainer: Any) -> None:
        """Numbers of loggers are no columns of the trainer's own table."""
        trainer.metrics = {name: value for name, value in (trainer.metrics or {}).items() if not name.startswith(MARK)}

    def train_epoch_end(self, trainer: Any) -> None:
        """Remember what will be validated."""
        self._average = trainer.ema.ema
        _clean(self._average)  # a trainer that recovers from NaN has copied the model with its handle

    def val_start(self, validator: Any) -> None:
        """The average is validated, with the losses of training."""
        if self.active and validator.training and self._average is not None:
            self._put(self._average, validator.device)

    def val_end(self, _: Any) -> None:
        """What is saved next is as without us."""
        if self._average is not None:
            _clean(self._average)
            self._average = None

    def fit_epoch_end(self, trainer: Any) -> None:
        """For loggers, which read the trainer's metrics after this."""
        if self.active:
            stats = {f"{MARK}{name}": value for name, value in self.handle.stats.items()}
            trainer.metrics = {**trainer.metrics, **stats}

    def train_end(self, _: Any) -> None:
        """Put the trained model back."""
        if self.now is not None:
            self.now.detach()
        self.now, self._average = None, None

    def __getstate__(self) -> dict[str, Any]:
        """Without a running training."""
        return vars(self) | {"now": None, "_average": None}


def _clean(model: Any) -> None:
    handle = Handle.of(model)
    if handle is not None:
        handle.detach()
