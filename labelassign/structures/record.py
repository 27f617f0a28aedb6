"""What all records share: moving, detaching, showing, saving and loading. No algorithm."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Self, cast

import torch
from torch import Tensor

from labelassign import checks

if TYPE_CHECKING:
    import numpy.typing as npt


class Record:
    """Base of the frozen records: every field is a tensor, a mapping of tensors, or plain configuration."""

    __slots__ = ()

    def _fields(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(cast("Any", self))}

    def _map(self, fn: Callable[[Tensor], Tensor]) -> Self:
        def one(value: Any) -> Any:
            if isinstance(value, Tensor):
                return fn(value)
            if isinstance(value, Mapping):
                return {k: fn(v) for k, v in cast("Mapping[str, Tensor]", value).items()}
            return value

        return type(self)(**{k: one(v) for k, v in self._fields().items()})

    def to(self, device: torch.device | str, *, non_blocking: bool = False) -> Self:
        """The same record on `device`; dtypes are part of a record's meaning and stay."""
        return self._map(lambda t: t.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """The same record in page-locked memory (for DataLoader workers)."""
        return self._map(lambda t: t.pin_memory())

    def detach(self) -> Self:
        """The same record without gradient history."""
        return self._map(lambda t: t.detach())

    def numpy(self) -> dict[str, Any]:
        """Fields by name, tensors as NumPy arrays (shared memory on CPU), nested mappings kept."""

        def one(value: Any) -> Any:
            if isinstance(value, Mapping):
                return {k: one(v) for k, v in cast("Mapping[str, Any]", value).items()}
            return _to_numpy(value) if isinstance(value, Tensor) else value

        return {k: one(v) for k, v in self._fields().items()}

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the record to a safetensors file (needs `pip install 'labelassign[io]'`)."""
        tensors: dict[str, Tensor] = {}
        plain: dict[str, Any] = {}
        for name, value in self._fields().items():
            if isinstance(value, Tensor):
                tensors[name] = value
            elif isinstance(value, Mapping):
                plain[name] = {}
                tensors |= {f"{name}/{k}": v for k, v in cast("Mapping[str, Tensor]", value).items()}
            else:
                plain[name] = value
        # safetensors refuses views that share storage
        tensors = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
        _safetensors().save_file(tensors, path, metadata={"record": type(self).__name__, "plain": json.dumps(plain)})

    @classmethod
    def load(cls, path: str | os.PathLike[str], device: torch.device | str = "cpu") -> Self:
        """Read a record that `save` wrote.

        Raises:
            ValueError: the file holds another record.
        """
        with _safetensors().safe_open(path, framework="pt", device=str(device)) as file:
            meta = file.metadata() or {}
            if meta.get("record") != cls.__name__:
                who, got = f"{cls.__name__}.load", meta.get("record", "no record at all")
                checks.fail(who, f"a file written by {cls.__name__}.save", f"{got} in {path}", "Load the right file.")
            fields: dict[str, Any] = json.loads(meta["plain"])
            fields = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
            for key in file.keys():  # noqa: SIM118 - not a dict
                name, _, entry = key.partition("/")
                if entry:
                    fields.setdefault(name, {})[entry] = file.get_tensor(key)
                else:
                    fields[name] = file.get_tensor(key)
        return cls(**fields)

    def __repr__(self) -> str:
        def one(value: Any) -> str:
            if isinstance(value, Tensor):
                return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
            if isinstance(value, Mapping):
                return "{" + ", ".join(cast("Mapping[str, Tensor]", value)) + "}"
            return repr(value)

        inner = ", ".join(f"{k}={one(v)}" for k, v in self._fields().items() if v is not None)
        return f"{type(self).__name__}({inner})"


def _to_numpy(value: Tensor) -> npt.NDArray[Any]:
    value = value.detach().cpu()
    return (value.float() if value.dtype == torch.bfloat16 else value).numpy()  # NumPy has no bfloat16


def _safetensors() -> Any:
    try:
        import safetensors
        import safetensors.torch
    except ImportError as error:
        raise ImportError("Saving and loading records needs safetensors: pip install 'labelassign[io]'") from error

    class Both:
        save_file = staticmethod(safetensors.torch.save_file)
        safe_open = safetensors.safe_open

    return Both
