"""The one place where bad input turns into an error: who, what was expected, what came, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NoReturn

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor


def fail(who: str, expected: str, got: object, fix: str, error: type[Exception] = ValueError) -> NoReturn:
    """Raise `error` with the four parts that every message of this package has."""
    raise error(f"{who}: expected {expected}, got {got}. {fix}")


def describe(value: object) -> str:
    """Shape, dtype and device of a tensor, or the type of anything else."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} tensor {list(value.shape)} on {value.device}"
    return f"{type(value).__name__} {value!r}"


def tensor(who: str, name: str, value: object, shape: tuple[int | str, ...], kind: str) -> None:
    """Check rank, fixed sizes and dtype of a field; names in `shape` stand for any size.

    `kind` is "float32", "floating", "int64" or "bool".
    """
    if not isinstance(value, Tensor):
        label = _label(name, shape, kind) + " as a torch.Tensor"
        fail(who, label, describe(value), "Use a `from_*` constructor for arrays.", TypeError)
    sizes = zip(value.shape, shape, strict=False)
    if value.dim() != len(shape) or any(isinstance(want, int) and have != want for have, want in sizes):
        fail(who, _label(name, shape, kind), describe(value), "Reshape it, or use a `from_*` constructor.")
    fits = value.is_floating_point() if kind == "floating" else value.dtype == getattr(torch, kind)
    if not fits:
        fix = f"Convert it to {kind}, or use a `from_*` constructor."
        fail(who, _label(name, shape, kind), describe(value), fix, TypeError)


def _label(name: str, shape: tuple[int | str, ...], kind: str) -> str:
    """The field as messages call it; only then: sizes that torch.compile leaves open have no text."""
    return f"`{name}` [{', '.join(map(str, shape))}] ({kind})"


def boxes(who: str, name: str, value: object, lead: tuple[int | str, ...], kind: str) -> None:
    """Check boxes of shape `lead` + [4] (xyxy), or + [5] (rotated: centre, sides, angle)."""
    rotated = isinstance(value, Tensor) and value.dim() == len(lead) + 1 and value.shape[-1] == 5
    tensor(who, name, value, (*lead, 5 if rotated else 4), kind)


def same_device(who: str, named: Iterable[tuple[str, Tensor | None]]) -> None:
    """Check that all given tensors live on one device."""
    given = [(name, value.device) for name, value in named if value is not None]
    if any(device != given[0][1] for _, device in given):
        found = {name: str(device) for name, device in given}
        fail(who, "all tensors on one device", found, "Move them with `.to(device)`.")


def equal(who: str, what: str, sizes: Mapping[str, object], fix: str) -> None:
    """Check that several counts, given by the name of what has them, agree."""
    values = list(sizes.values())
    if any(value != values[0] for value in values[1:]):
        fail(who, f"the same {what} everywhere", ", ".join(f"{k}: {v}" for k, v in sizes.items()), fix)


def choice(who: str, name: str, value: object, allowed: Iterable[object]) -> None:
    """Check that an option is one of the named ones."""
    allowed = tuple(allowed)
    if value not in allowed:
        fail(who, f"`{name}` to be one of {allowed}", repr(value), "Choose one of these.")


def positive(who: str, name: str, value: float, *, zero: bool = False) -> None:
    """Check a numeric option; `zero` allows 0."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        fail(who, f"`{name}` to be a number", describe(value), "Pass a number.", TypeError)
    if not (value > 0 or (zero and value == 0)):
        fail(who, f"`{name}` {'>= 0' if zero else '> 0'}", value, "Choose a larger one.")


def values_visible(*tensors: Tensor | None) -> bool:
    """Whether values may be looked at: eager, on real CPU tensors. Elsewhere a look would cost a synchronisation."""
    return not torch.compiler.is_compiling() and all(
        t is None or (t.device.type == "cpu" and not isinstance(t, FakeTensor)) for t in tensors
    )
