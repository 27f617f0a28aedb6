"""Outside libraries: whether they are there, and whether in a version that was tested."""

from __future__ import annotations

import warnings
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from labelassign import checks

# module: distribution, first and last tested release series
TESTED = {
    "torchvision": ("torchvision", "0.29", "0.29"),
    "ultralytics": ("ultralytics", "8.4", "8.4"),
    "mmdet": ("mmdet", "3.3", "3.3"),
    "transformers": ("transformers", "5.23", "5.23"),
    "effdet": ("effdet", "0.4", "0.4"),
    "monai": ("monai", "1.6", "1.6"),
    "yolox": ("pixeltable-yolox", "0.4", "0.4"),
}


def need(name: str) -> Any:
    """Import an outside library.

    Raises: ImportError with the line that installs it. Warns for a version outside of the tested ones.
    """
    distribution, first, last = TESTED[name]
    try:
        module = import_module(name)
        found = version(distribution)
    except (ImportError, PackageNotFoundError) as error:
        fix = f"Install it: pip install 'labelassign[{name}]'"
        checks.fail(f"labelassign.adapters.{name}", f"the package {distribution}", str(error), fix, ImportError)
    if not _series(first) <= _series(found)[: len(_series(first))] <= _series(last):
        tested = first if first == last else f"{first} to {last}"
        text = f"labelassign.adapters.{name} was tested with {distribution} {tested}; {found} is installed"
        warnings.warn(text, stacklevel=3)
    return module


def _series(text: str) -> tuple[int, ...]:
    parts = text.split("+")[0].split(".")
    return tuple(int(part) for part in parts if part.isdigit())
