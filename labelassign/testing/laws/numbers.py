"""Laws about arithmetic: precision, the paths of an op, and the pieces in which an op works."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from labelassign.ops import blocks
from labelassign.ops.dispatch import OPS, Op
from labelassign.structures import Predictions
from labelassign.testing import same
from labelassign.testing.scene import Scene
from labelassign.testing.subject import Subject, answer, law


@law
def half_precision(subject: Subject, scene: Scene) -> None:
    """Predictions in float16 and bfloat16 give what float32 tensors of the same numbers give."""
    if not subject.assigner.needs & {"predictions", "teacher"}:
        return
    pair = (torch.float16, torch.bfloat16) if scene.step % 2 else (torch.bfloat16, torch.float16)
    halves = [_cast(p, dtype) for p, dtype in zip((scene.predictions, scene.teacher), pair, strict=True)]
    full = [_cast(p, torch.float32) for p in halves]
    a, want = (replace(scene, predictions=p, teacher=t) for p, t in (halves, full))
    same.same(a.assign(subject.assigner), want.assign(subject.assigner), exact=True)


def _cast(p: Predictions, dtype: torch.dtype) -> Predictions:
    return replace(p, boxes=p.boxes.to(dtype), scores=p.scores.to(dtype))


@law
def bounded_memory(subject: Subject, scene: Scene) -> None:
    """Working through the pairs in pieces of any size gives the same bits."""
    want = answer(subject.assigner, scene)
    for pairs in (1, 64):
        with patch.object(blocks, "PAIRS_PER_BLOCK", pairs):
            same.same(scene.assign(subject.assigner), want, exact=True)


@law
def without_looking(subject: Subject, scene: Scene) -> None:
    """The way that never asks a tensor for a value, taken on accelerators, gives the same bits."""
    want = answer(subject.assigner, scene)
    with _blind():
        same.same(scene.assign(subject.assigner), want, exact=True)


@contextmanager
def _blind() -> Generator[None, None, None]:
    """`selected` returns all indices, as on an accelerator, in every op that has it."""

    def everything(mask: Tensor) -> Tensor:
        return torch.arange(mask.shape[0], device=mask.device)

    ops = [module for name, module in sys.modules.items() if name.startswith("labelassign.ops")]
    with ExitStack() as patches:
        for module in ops:
            if hasattr(module, "selected"):
                patches.enter_context(patch.object(module, "selected", everything))
        yield


@law
def paths(subject: Subject, scene: Scene) -> None:
    """Every implementation of every op in use gives what the op's reference gives, or says why it does not run."""
    if any(op.fast for op in OPS.values()):
        with _Compared():
            scene.assign(subject.assigner)


class _Compared(TorchDispatchMode):
    """Runs all implementations of each op, compares them, and goes on with the reference's answer."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        op = OPS.get(func._schema.name.partition("::")[2]) if func.namespace == "labelassign" else None
        return func(*args, **(kwargs or {})) if op is None else compare_paths(op, *args)


def compare_paths(op: Op, *args: Any) -> Any:
    """The reference's answer to these arguments, after all other implementations have agreed with it.

    Whole numbers and truth values must be equal, floats up to rounding: decisions do not depend on the path.
    """
    want = op.reference(*args)
    for path, (run, refusal) in op.fast.items():
        if refusal(*args) is None:
            _agree(f"{op.name} on path {path}", run, args, want)
    return want


def _agree(name: str, run: Callable[..., Any], args: tuple[Any, ...], want: Any) -> None:
    got = run(*args)
    if got is NotImplemented:
        return
    pairs = [(got, want)] if isinstance(want, Tensor) else list(zip(got, want, strict=True))
    for i, (mine, theirs) in enumerate(pairs):
        same.close(f"{name}, output {i}", mine, theirs)
