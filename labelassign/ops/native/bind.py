"""From torch tensors to what the compiled library reads: checks, addresses, and outputs to write to."""

from __future__ import annotations

import functools
import struct
from array import array
from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from labelassign import checks
from labelassign.ops.accelerator import rotated_boxes
from labelassign.ops.native import library

SCORES = {"sigmoid_logits": 0, "softmax_logits": 1, "probs": 2}
FLOATS = {torch.float32: 0, torch.float16: 1, torch.bfloat16: 2}


_KINDS = {
    "f": (torch.float32,),
    "d": (torch.float64,),
    "l": (torch.int64,),
    "b": (torch.bool,),
    "c": (torch.int8,),
    "n": tuple(FLOATS),
}


def unfit(kinds: str, args: tuple[Any, ...]) -> str | None:
    """Why the library does not take these arguments, of which as many are given as the caller knows; None if it does.

    `kinds` has a letter per argument: f float32, n the same or a half, d float64, l int64, b bool, c int8, - anything.
    """
    missing = library.why_not()
    if missing is not None or not args:
        return missing or "no arguments were given, so their device is unknown"
    for kind, t in zip(kinds, args, strict=False):
        if kind != "-" and t is not None and not (t.dtype in _KINDS[kind] and t.is_cpu):
            names = " or ".join(str(dtype).removeprefix("torch.") for dtype in _KINDS[kind])
            return f"it takes {names} tensors on the CPU here, got {checks.describe(t)}"
    return None


def unfit_priors(kinds: str, args: tuple[Any, ...]) -> str | None:
    """`unfit` for arguments that begin with priors and objects."""
    why = unfit(kinds, args) or rotated_boxes(*args[:3:2])
    if why is not None or len(args) < 5:
        return why
    (boxes, valid), images = args[:2], args[4].shape[0] - 1
    n = boxes.shape[-2]
    if (boxes.dim() == 3 and boxes.shape[0] != images) or (valid is not None and valid.shape != (images, n)):
        return f"the priors are of another number of images than {images}"
    return None if 0 < n < 2**31 and images else "no priors or no images: nothing to do fast"


def unfit_levels(sizes: Iterable[int], priors: int) -> str | None:
    """Why level sizes do not fit the priors."""
    return None if sum(sizes) == priors else f"levels {list(sizes)} do not add up to {priors} priors"


def plain(t: Tensor) -> Tensor:
    """The same numbers where the library can read them: in order, and aligned."""
    t = t.contiguous()
    return t.clone() if t.data_ptr() % t.element_size() else t


class Call:
    """One call of a kernel: its arguments in the order of its C++ struct, and the tensors that hold them."""

    __slots__ = ("held", "values")

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.held: list[Any] = []

    def tensor(self, t: Tensor | None) -> None:
        """An input."""
        if t is None:
            self.values.append(0)
            return
        if not t.is_contiguous() or t.data_ptr() % t.element_size():
            t = plain(t)
            self.held.append(t)  # the copy has to outlive the call; of what was given the caller takes care
        self.values.append(t.data_ptr())

    def priors(self, boxes: Tensor, valid: Tensor | None) -> None:
        """`struct Priors`."""
        n = boxes.shape[-2]
        self.values += (n, n if boxes.dim() == 3 else 0)
        self.tensor(boxes)
        self.tensor(valid)

    def objects(self, boxes: Tensor, labels: Tensor, offsets: Tensor, ignore: Tensor, classes: int) -> None:
        """`struct Objects`."""
        self.values += (boxes.shape[0], offsets.shape[0] - 1)
        for t in (boxes, labels, offsets, ignore):
            self.tensor(t)
        self.values.append(classes)

    def network(self, scores: Tensor, boxes: Tensor) -> None:
        """`struct Network`."""
        self.values += (scores.shape[2], FLOATS[scores.dtype], FLOATS[boxes.dtype])
        self.tensor(scores)
        self.tensor(boxes)

    def levels(self, sizes: Iterable[int]) -> None:
        """The number of levels and their sizes."""
        held = _sizes(tuple(sizes))
        self.held.append(held)
        self.values += (len(held), held.buffer_info()[0])

    def answer(self, priors: Tensor, offsets: Tensor, labels: Tensor, ignore_iof: float) -> tuple[Tensor, ...]:
        """`struct Answer`: the fields of a whole method's answer in their order."""
        images, n = offsets.shape[0] - 1, priors.shape[-2]
        index, weights = torch.empty(images, n, dtype=torch.int64), [torch.empty(images, n) for _ in range(4)]
        out = (index, *weights, torch.empty(labels.shape, dtype=torch.int8))
        self.values.append(ignore_iof)
        self.outputs(*out)
        return out

    def outputs(self, *tensors: Tensor) -> None:
        """What the kernel fills."""
        self.values += [t.data_ptr() for t in tensors]

    def run(self, op: int) -> bool:
        """Whether the kernel did it; if not, the reference has to."""
        layout = _LAYOUTS.get(op)
        if layout is None:  # every call of an op has the fields of its C++ struct
            kinds = "".join("d" if isinstance(v, float) else "q" for v in self.values)
            layout = _LAYOUTS[op] = struct.Struct("=" + kinds)
        return library.call(op, layout.pack(*self.values), torch.get_num_threads()) == 0


_LAYOUTS: dict[int, struct.Struct] = {}


@functools.lru_cache(maxsize=64)
def _sizes(sizes: tuple[int, ...]) -> array[int]:
    return array("q", sizes)
