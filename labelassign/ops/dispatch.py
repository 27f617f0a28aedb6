"""The single place that decides which implementation of an op runs.

Every op is one op of `torch.library` whose body is `Op.run`: it takes the first path that does not refuse the
arguments. The choice is made inside the op, at run time, because an environment variable read in traced code would
go stale. `LABELASSIGN_PATH=reference|native|triton` forces a path; one that cannot run is then an error.

Defined through `torch.library.Library`, not `torch.library.custom_op`: the same op for tracing and export, but a third
of the time per call and a fifth per import. What custom_op would look for, outputs that alias inputs, the tests do.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import torch

from labelassign import checks

PATHS = ("triton", "native", "reference")


@dataclass(frozen=True)
class Explanation:
    """Which path an op takes for given arguments, and why the others do not.

    Attributes:
        op: name of the op.
        path: "triton", "native" or "reference".
        refusals: the reason of every other path.

    Example:
        >>> la.explain("max_iou", torch.rand(5, 4).double()).refusals["native"]
        'it takes float32 tensors on the CPU here, got float64 tensor [5, 4] on cpu'
    """

    op: str
    path: str
    refusals: dict[str, str]


@dataclass(frozen=True)
class Op:
    """A custom op with its definition (`reference`) and the fast paths beside it.

    Arguments:
        name: name inside the `labelassign` namespace.
        schema: the op's signature in torch's schema language.
        reference: the plain torch code that defines the op.
        fake: the shapes and dtypes of the outputs, for tracing.
        fast: other paths by name, each with a function that gives the reason why it refuses (or None).
        waits: the op waits for the device, so that no CUDA graph can hold it (told to torch, where it has the tag).
    """

    name: str
    schema: str
    reference: Callable[..., Any]
    fake: Callable[..., Any]
    fast: dict[str, tuple[Callable[..., Any], Callable[..., str | None]]] = field(default_factory=dict[str, Any])
    waits: bool = False

    def register(self) -> Callable[..., Any]:
        """Make the op; call once per process."""
        unsafe = getattr(torch.Tag, "cudagraph_unsafe", None) if self.waits else None
        LIBRARY.define(self.name + self.schema, tags=() if unsafe is None else (unsafe,))
        LIBRARY.impl(self.name, self.run, "CompositeExplicitAutograd")
        LIBRARY.impl(self.name, self.fake, "Meta")  # not register_fake, which reads source lines: 6 ms of the import
        OPS[self.name] = self
        return getattr(torch.ops.labelassign, self.name).default

    def refusal(self, path: str, *args: Any) -> str | None:
        """Why `path` does not take these arguments; None if it does."""
        if path == "reference":
            return None
        if path not in self.fast:
            return f"no {path} implementation of {self.name} is part of this installation"
        return self.fast[path][1](*args)

    def explain(self, *args: Any) -> Explanation:
        """The decision for these arguments."""
        forced = os.environ.get("LABELASSIGN_PATH", "")
        if forced and forced not in PATHS:
            checks.fail("LABELASSIGN_PATH", f"one of {PATHS}", repr(forced), "Unset it or choose one.")
        refusals: dict[str, str] = {}
        for path in PATHS:
            refused = self.refusal(path, *args)
            if forced and path != forced:
                refusals[path] = f"LABELASSIGN_PATH={forced}"
            elif refused is not None:
                refusals[path] = refused
        chosen = [path for path in PATHS if path not in refusals]
        if not chosen:
            fix = "Unset LABELASSIGN_PATH to let the package choose."
            checks.fail(self.name, f"path {forced!r} to run", refusals[forced], fix, RuntimeError)
        others = {p: refusals.get(p, f"{chosen[0]} comes first") for p in PATHS if p != chosen[0]}
        return Explanation(self.name, chosen[0], others)

    def run(self, *args: Any) -> Any:
        """The op's body. A path may still find out that it cannot (memory, indices out of range): NotImplemented."""
        forced = "LABELASSIGN_PATH" in os.environ
        paths = {self.explain(*args).path} if forced else self.fast
        for path in paths:
            if path in self.fast and (forced or self.fast[path][1](*args) is None):
                found = self.fast[path][0](*args)
                if found is not NotImplemented:
                    return found
        return self.reference(*args)


_FOLDERS = (
    "labelassign.ops.central",
    "labelassign.ops.central_answer",
    "labelassign.ops.fcos",
    "labelassign.ops.hungarian",
    "labelassign.ops.keep",
    "labelassign.ops.rescue",
    "labelassign.ops.transport",
    "labelassign.ops.uniform",
    "labelassign.solvers",
)
LIBRARY = torch.library.Library("labelassign", "DEF")
OPS: dict[str, Op] = {}


def explain(op: str, *args: Any) -> Explanation:
    """Which path an op takes for these arguments (all of them, or the first few), and why the others do not.

    Raises:
        ValueError: no op has that name.

    Example:
        >>> sorted(la.explain("atss", priors.boxes).refusals)
        ['reference', 'triton']
    """
    if op not in OPS:  # that of a method which nobody has named yet?
        for name in _FOLDERS:
            import_module(name)
    if op not in OPS:
        checks.fail("explain", f"the name of an op: {sorted(OPS)}", repr(op), "Choose one of these.")
    return OPS[op].explain(*args)
