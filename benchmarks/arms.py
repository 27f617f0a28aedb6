"""What is timed: one side of a comparison, with the paths that it may take and the answer that it must give."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from labelassign.ops.dispatch import OPS

FORCED = "LABELASSIGN_PATH"
CPU_PATHS = ("reference", "native", "triton")


@dataclass(frozen=True)
class Arm:
    """One callable under a name.

    Arguments:
        name: "reference", "native", "compiled", "mmdet", …
        call: what is timed.
        peer: whether it is somebody else's.
        forced: value of LABELASSIGN_PATH around the call; "" leaves the choice to the package, as a user has it.
        threads: number of threads around the call; 0 leaves it.
        paths: which path each op took.
        note: what a reader of the figure must know.
    """

    name: str
    call: Callable[[], Any]
    peer: bool = False
    forced: str = ""
    threads: int = 0
    paths: tuple[tuple[str, str], ...] = ()
    note: str = ""

    def enter(self) -> None:
        """Set what the call needs around it; costs that are not the call's."""
        os.environ.pop(FORCED, None)
        if self.forced:
            os.environ[FORCED] = self.forced
        if self.threads:
            torch.set_num_threads(self.threads)

    def once(self) -> Any:
        """Enter, and call."""
        self.enter()
        return self.call()


@contextmanager
def restored() -> Iterator[None]:
    """Afterwards, path and threads are what they were before: arms set them."""
    path, threads = os.environ.get(FORCED), torch.get_num_threads()
    try:
        yield
    finally:
        os.environ.pop(FORCED, None)
        if path is not None:
            os.environ[FORCED] = path
        torch.set_num_threads(threads)


class Recorder(TorchDispatchMode):
    """Keeps the calls of the package's ops: the op and its arguments, in their order."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, tuple[Any, ...]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace == "labelassign":
            self.calls.append((func, args))
        return func(*args, **(kwargs or {}))


def op_name(func: Any) -> str:
    """The op's name inside the namespace."""
    return func._schema.name.partition("::")[2]


def paths(call: Callable[[], Any]) -> tuple[tuple[str, str], ...]:
    """Which path each op of a call takes, in the order of first use."""
    with Recorder() as record:
        call()
    return tuple({op_name(func): OPS[op_name(func)].explain(*args).path for func, args in record.calls}.items())


def ours(call: Callable[[], Any], compiled: Callable[[], Any] | None = None) -> tuple[list[Arm], dict[str, str]]:
    """One arm for each path that runs, and why the others do not.

    A fast path that is also the package's own choice is timed without LABELASSIGN_PATH, whose evaluation takes time
    that no user spends. Where the choice takes several paths it is an arm of its own, "mixed".
    """
    found, refused = [], {}
    chosen = Arm("", call)
    chosen.enter()
    own = paths(call)
    for path in CPU_PATHS:
        arm = Arm(path, call, forced=path)
        arm.enter()
        try:
            arm = replace(arm, paths=paths(call))
        except RuntimeError as error:
            refused[path] = str(error).partition(FORCED)[0].strip()
            continue
        found.append(replace(arm, forced="") if arm.paths == own and path != "reference" else arm)
    if len({path for _, path in own}) > 1:
        found.append(replace(chosen, name="mixed", paths=own))
    if compiled is not None:
        found.append(Arm("compiled", compiled, paths=own, note="torch.compile(fullgraph=True) around the whole call"))
    chosen.enter()
    return found, refused
