"""Assigners out of configs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import labelassign
from labelassign import checks


def made(config: Any) -> Any:
    """What `dict(type="LAD", assigner=dict(type="PAA", preset="mmdet", topk=5))` says; all else as it is.

    `type` is a public name of this package, with "labelassign." before it or without; further options change the
    preset.
    """
    if not isinstance(config, Mapping) or "type" not in config:
        return config
    options = {name: made(value) for name, value in config.items()}
    name, preset = str(options.pop("type")).removeprefix("labelassign."), options.pop("preset", None)
    checks.choice("labelassign", "type", name, labelassign.__all__)
    method = getattr(labelassign, name)
    if preset is None:
        return method(**options)
    known = [key for key, value in vars(method).items() if isinstance(value, classmethod) and not key.startswith("_")]
    checks.choice(f"labelassign.{name}", "preset", preset, known)
    return replace(getattr(method, preset)(), **options)
