"""The handle's numbers where detectron2 keeps its own."""

from __future__ import annotations

from importlib import import_module

from labelassign.adapters.handle import Handle


def log(handle: Handle, prefix: str = "assignment/") -> None:
    """Put `handle.stats` into detectron2's current event storage, whose writers do the rest; without one do nothing.

    In a loop of yours call it after the losses; with a trainer register
    `detectron2.engine.hooks.CallbackHook(after_step=lambda trainer: log(handle))` (behind its `PeriodicWriter` the
    numbers are written a step late). Each call waits for the device.

    Example:
        >>> from labelassign.adapters.detectron2 import log
        >>> callback = lambda trainer: log(handle) if trainer.iter % 20 == 0 else None
    """
    try:
        storage = import_module("detectron2.utils.events").get_event_storage()
    except AssertionError:  # its way to say that there is none
        return
    for name, value in handle.stats.items():
        storage.put_scalar(prefix + name, value)
