"""Files that are there as a whole or not at all, whenever the process is killed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def written(path: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` fill a file beside `path`, bring it to the disk, and only then give it the name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        write(beside)
        with beside.open("rb") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write tensors and numbers."""
    written(path, lambda beside: torch.save(state, beside))


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote; nothing in it is executed."""
    return torch.load(path, map_location="cpu", weights_only=True)


def save_json(path: Path, value: Any) -> None:
    """Write plain data."""
    written(path, lambda beside: beside.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8"))
