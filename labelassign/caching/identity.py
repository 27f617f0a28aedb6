"""Who decides: an assigner and a teacher, told from all others by their hash."""

from __future__ import annotations

import dataclasses
import hashlib
import sys
from typing import Any

import torch
from torch import Tensor, nn

from labelassign import checks
from labelassign.assigners import Assigner

WHO = "AssignmentCache"
FORMAT = 1
"""Of keys and entries; another number makes all old entries unknown."""


def require_cacheable(assigner: object) -> None:
    """Refuse an assigner whose answer depends on more than one image, its priors and a network that stays."""
    if not isinstance(assigner, Assigner):
        fix = "Pass one, like LAD(PAA()); weights of pairs (AutoAssign, FreeAnchor) have gradients and cannot be kept."
        checks.fail(WHO, "an Assigner", checks.describe(assigner), fix, TypeError)
    if "step" in assigner.needs:
        fix = "Cache the member that stays, and choose by the step outside."
        checks.fail(WHO, "an assigner whose answer stays the same over training (no `step`)", repr(assigner), fix)
    if {"predictions", "teacher"} <= assigner.needs:
        fix = 'The network in training changes with every step; LAD with targets="teacher" asks the teacher only.'
        checks.fail(WHO, "an assigner that one frozen network decides", repr(assigner), fix)
    described(assigner)


def described(value: Any) -> str:
    """Every option of an assigner, down to the last one; `repr` may leave out options, and the modules of classes."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        if value.__dataclass_params__.frozen:  # pyright: ignore[reportAttributeAccessIssue]
            options = (f"{f.name}={described(getattr(value, f.name))}" for f in dataclasses.fields(value))
            return f"{type(value).__module__}.{type(value).__qualname__}({', '.join(options)})"
    elif isinstance(value, tuple):
        return f"{type(value).__qualname__}({', '.join(map(described, value))})"
    elif value is None or isinstance(value, (bool, int, float, str)):
        return repr(value)
    fix = "Make it a frozen dataclass whose options are numbers, strings, tuples or such dataclasses."
    return checks.fail(WHO, "an assigner whose options can be told apart", checks.describe(value), fix, TypeError)


def fingerprint(teacher: nn.Module | str) -> str:
    """SHA-256 over names, dtypes, shapes and values of a network's state; a string is one already."""
    if isinstance(teacher, str):
        if not teacher:
            checks.fail(WHO, "`teacher` as a network or its fingerprint", "''", "Give a string of your own.")
        return teacher
    if not isinstance(teacher, nn.Module):  # pyright: ignore[reportUnnecessaryIsInstance]
        fix = "Pass the frozen network, or any string that stands for it."
        checks.fail(WHO, "`teacher` as an nn.Module or str", checks.describe(teacher), fix, TypeError)
    state = hashlib.sha256()
    for name, value in sorted(teacher.state_dict().items()):
        if not isinstance(value, Tensor):
            fix = "Nothing else has a hash that other processes share; give a string of your own as `teacher`."
            checks.fail(WHO, "tensors in the teacher's state_dict", f"{name!r}: {value!r}", fix, TypeError)
        state.update(f"{name}\0{value.dtype}\0{list(value.shape)}\0".encode())
        # bytes, since NumPy does not know all dtypes
        state.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return state.hexdigest()


def identity(assigner: Assigner, teacher: str) -> bytes:
    """What all entries of one cache have in common, in 32 bytes."""
    version = sys.modules[__name__.partition(".")[0]].__version__
    parts = (version, str(FORMAT), sys.byteorder, described(assigner), teacher)
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
