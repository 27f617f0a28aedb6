"""Make mmdet 3.3.0 importable beside mmcv-lite, which has no compiled extension.

Only `mmcv._ext` is stood in for; the Python code of mmcv and mmdet stays as installed. Every operator of the extension
raises when it is called, so that no test or benchmark can compare itself with a stand-in.
"""

from __future__ import annotations

import importlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_NAME = "mmcv._ext"


class _Extension(ModuleType):
    """Has every name that mmcv asks for at import, and nothing that computes."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)

        def operator(*_: object, **__: object) -> None:
            raise RuntimeError(f"{_NAME}.{name}: mmcv-lite has no compiled operators; this process cannot call it.")

        return operator


def module(name: str) -> Any:
    """Import a module of mmdet (or mmcv) by its dotted name."""
    if _NAME not in sys.modules:
        mmcv = importlib.import_module("mmcv")
        mmcv._ext = sys.modules[_NAME] = _Extension(_NAME)
        mmcv._ext.__spec__ = ModuleSpec(_NAME, None)  # mmengine's runner looks for its loader: there is none
    return importlib.import_module(name)
