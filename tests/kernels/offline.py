"""Kernels without a device: the launches of an op, recorded, and compiled for a target that is not here."""

import re
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource, make_backend
from triton.runtime.jit import JITFunction, create_function_from_signature

TOOLS = Path(triton.__file__).parent / "backends" / "nvidia" / "bin"
TARGETS = {f"sm_{number}": GPUTarget("cuda", number, 32) for number in (80, 86, 89, 90, 100, 120)}
TARGETS |= {"gfx942": GPUTarget("hip", "gfx942", 64), "gfx1100": GPUTarget("hip", "gfx1100", 32)}


@dataclass(frozen=True)
class Launch:
    """One start of a kernel, as the host code asked for it."""

    kernel: Any
    grid: tuple[int, ...]
    args: tuple[Any, ...]
    options: dict[str, Any]

    @property
    def name(self):
        return self.kernel.__name__

    def bound(self, target):
        """Arguments by name, what the compiler knows of each, and the options, as triton's own launcher has them."""
        backend = make_backend(target)
        binder = create_function_from_signature(self.kernel.signature, self.kernel.params, backend)
        arguments, known, options = binder(*self.args, **self.options, debug=False)
        packed = self.kernel._pack_args(backend, {**self.options, "debug": False}, arguments, known, options)
        return arguments, *packed

    def compiled(self, target):
        """The kernel for a target."""
        _, options, signature, constants, known = self.bound(target)
        source = ASTSource(self.kernel, signature, constants, known)
        return triton.compile(source, target=target, options=options.__dict__)


@contextmanager
def launches(start=None):
    """Collect all launches inside; `start` runs each of them, otherwise nothing does."""
    found: list[Launch] = []

    def run(kernel, *args, grid, warmup, **options):
        assert not warmup
        found.append(Launch(kernel, tuple(grid), args, options))
        if start is not None:
            start(found[-1])

    with patch.object(JITFunction, "run", run):
        yield found


@cache
def _tool(name, *options):
    def read(path):
        done = subprocess.run([str(TOOLS / name), *options, path], capture_output=True, text=True, check=True)
        return done.stdout + done.stderr

    return read


def resources(kernel, target):
    """Registers, spills (accesses; on AMD registers), stack and shared memory in bytes, of a compiled kernel."""
    if target.backend == "hip":
        text = kernel.asm["amdgcn"]
        found = {key: int(re.search(rf"\.{key}:\s+(\d+)", text).group(1)) for key in _AMD}
        # a scalar register kept in a lane of a vector register costs no memory
        spills = found["vgpr_spill_count"]
        registers, stack = found["vgpr_count"], found["private_segment_fixed_size"]
        return {"registers": registers, "spills": spills, "stack": stack, "shared": kernel.metadata.shared}
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(kernel.asm["cubin"])
        file.flush()
        usage, code = _tool("cuobjdump", "-res-usage")(file.name), _tool("nvdisasm", "-c")(file.name)
    registers, stack, local = (int(re.search(rf"\b{key}:(\d+)", usage).group(1)) for key in ("REG", "STACK", "LOCAL"))
    spills = len(re.findall(r"\b(?:STL|LDL)\b", code))
    return {"registers": registers, "spills": spills, "stack": stack + local, "shared": kernel.metadata.shared}


_AMD = ("vgpr_count", "vgpr_spill_count", "private_segment_fixed_size")
