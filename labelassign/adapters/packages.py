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
    "rfdetr": ("rfdetr", "1.11", "1.11"),
    "detectron2": ("detectron2", "0.6", "0.6"),
}
# not on PyPI: the page that says how to install it; such an adapter was tested on a stand-in
UNLISTED = {"detectron2": "https://detectron2.readthedocs.io/en/latest/tutorials/install.html"}


def need(name: str) -> Any:
    """Import an outside library.

    Raises: ImportError with the line that installs it. Warns for a version outside of the tested ones.
    """
    distribution, first, last = TESTED[name]
    guide = UNLISTED.get(name)
    try:
        module = import_module(name)
        found = version(distribution)
    except (ImportError, PackageNotFoundError) as error:
        listed = f"Install it: pip install 'labelassign[{name}]'"
        fix = f"It is not on PyPI; install it as {guide} says." if guide else listed
        checks.fail(f"labelassign.adapters.{name}", f"the package {distribution}", str(error), fix, ImportError)
    if not _series(first) <= _series(found)[: len(_series(first))] <= _series(last):
        tested = first if first == last else f"{first} to {last}"
        made = "written for" if guide else "tested with"
        text = f"labelassign.adapters.{name} was {made} {distribution} {tested}; {found} is installed"
        warnings.warn(text, stacklevel=3)
    return module


def _series(text: str) -> tuple[int, ...]:
    parts = text.split("+")[0].split(".")
    return tuple(int(part) for part in parts if part.isdigit())
