"""Ops on emulated kernels: the host code as it is, its launches compiled for a target and executed here."""

import re
from contextlib import contextmanager

import torch

from tests.kernels.offline import TARGETS, launches
from tests.kernels.ptx.machine import execute
from tests.kernels.ptx.program import parse

TRITON = "3.8.0"  # the machine knows the instructions that this version emits
EMULATED = ("sm_80", "sm_90", "sm_100", "sm_120")
_ROUGH = re.compile(r"\.approx\b|\.full\b|^(?:@!?%\w+\s+)?(?:ex2|lg2|sin|cos|tanh|rsqrt)\b")
_FUSED = re.compile(r"\b(?:fma|mad)\.[\w.]*f(?:32|16)|\b(?:fma|mad)\.[\w.]*bf16")
# inside exp and log of float64, where steps of Newton's method follow
_REFINED = re.compile(r"\brcp\.approx\.ftz\.f64\b")
_HAVE_LOGARITHMS = {"cost_kernel", "settle_kernel", "owner_kernel", "award_kernel", "grant_kernel"}
_HAVE_LOGARITHMS |= {"look_kernel", "bid_kernel", "contest_kernel", "finish_kernel"}
_TEXTS: dict[str, tuple[str, int]] = {}


def findings(name, text):
    """Instructions by which a decision could fall otherwise than in the reference: approximate or fused ones."""
    lines = [line.strip() for line in re.sub(r"//[^\n]*", "", text).splitlines()]
    found = [line for line in lines if _ROUGH.search(line) or _FUSED.search(line)]
    return [line for line in found if name not in _HAVE_LOGARITHMS or not _REFINED.search(line)]


@contextmanager
def emulated(target, change=lambda launch, text: text):
    """Every launch inside is compiled for the target and executed; `change` may edit the PTX before."""

    def start(launch):
        arguments, options, signature, constants, known = launch.bound(TARGETS[target])
        key = repr((target, launch.name, signature, constants, known, options.num_warps))
        if key not in _TEXTS:
            kernel = launch.compiled(TARGETS[target])
            _TEXTS[key] = kernel.asm["ptx"], kernel.metadata.shared
        text, shared = _TEXTS[key]
        assert not findings(launch.name, text), findings(launch.name, text)
        program = change(launch, text)
        program = parse(program) if isinstance(program, str) else program
        given = [arguments[name] for name, kind in signature.items() if kind != "constexpr"]
        tensors = [value for value in given if isinstance(value, torch.Tensor)]
        # two more for scratch memory of triton's own, which these kernels do not use
        plain = [value.data_ptr() if isinstance(value, torch.Tensor) else value for value in given] + [0, 0]
        values = dict(zip(program.parameters, plain, strict=True))
        execute(program, launch.grid, 32 * options.num_warps, values, tensors, shared)

    with launches(start) as started:
        yield started


@contextmanager
def memory_filled():
    """New tensors hold NaN or the largest number until something is written."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
