"""Arrays from elsewhere: anything that speaks DLPack (NumPy, JAX, CuPy), or nested lists of numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelassign import checks


def as_tensor(who: str, name: str, value: Any, dtype: torch.dtype | None = None) -> Tensor:
    """A tensor over the caller's memory where DLPack (or NumPy's buffer) allows it, converted to `dtype` if given."""
    try:
        if isinstance(value, Tensor):
            tensor = value
        elif isinstance(value, np.ndarray):
            # read-only NumPy memory cannot be shared: torch has no read-only tensors
            tensor = torch.from_numpy(value if value.flags.writeable else value.copy())
        elif hasattr(value, "__dlpack__"):
            tensor = torch.from_dlpack(value)
        else:
            tensor = torch.as_tensor(value)
    except (TypeError, ValueError, RuntimeError, BufferError) as error:
        fix = f"Pass a torch.Tensor, a NumPy/JAX/CuPy array or a list of numbers ({error})."
        checks.fail(who, f"`{name}` to be an array", checks.describe(value)[:200], fix, TypeError)
    return tensor if dtype is None else tensor.to(dtype)
