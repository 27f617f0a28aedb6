"""What the Triton paths share on the host: who may take them, and how a kernel is started."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from labelassign.geometry import is_rotated

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Triton's own switch, read where it reads it: kernels defined under it run on CPU tensors, slowly, without a GPU."""

MOST = 2**29 - 2**16
"""Priors, rows or images at most: numbers of corners have 32 bits, and blocks reach beyond the last."""

_LEAST_CAPABILITY = (8, 0)


def refusal(*args: Any) -> str | None:
    """Why no Triton kernel takes these arguments (the first is a tensor), whatever the op; None if it may."""
    if not args:
        return "no arguments were given, so their device is unknown"
    device = args[0].device
    if device.type != "cuda" and not (INTERPRETED and device.type == "cpu"):
        return f"the tensors are on {device}; this path takes CUDA and ROCm tensors"
    if not _installed():
        return "triton is not installed"
    return _too_old(device) if device.type == "cuda" else None


@cache
def _installed() -> bool:
    return importlib.util.find_spec("triton") is not None


@cache
def _too_old(device: torch.device) -> str | None:
    if torch.version.hip is not None:
        return None
    found = torch.cuda.get_device_capability(device)
    if found >= _LEAST_CAPABILITY:
        return None
    least = ".".join(map(str, _LEAST_CAPABILITY))
    return f"{device} has compute capability {found[0]}.{found[1]}; the kernels need {least}"


def wrong_type(**named: tuple[Tensor | None, torch.dtype]) -> str | None:
    """The sentence about the first tensor that has not the dtype it is paired with; None if all have."""
    for name, (tensor, dtype) in named.items():
        if tensor is not None and tensor.dtype != dtype:
            return f"{name} are {tensor.dtype}; the kernel reads {dtype}"
    return None


def wrong_size(**named: int) -> str | None:
    """The sentence about the first count of 0, or of more than the kernels can number; None if there is none."""
    for name, size in named.items():
        if size == 0:
            return f"there are no {name}: nothing to launch"
        if size > MOST:
            return f"{size} {name} are more than the {MOST} that the kernels can number"
    return None


def rotated_boxes(*boxes: Tensor) -> str | None:
    """The sentence about boxes of five numbers; None if there are none."""
    return "rotated boxes are read by the reference alone" if any(map(is_rotated, boxes)) else None


def refused_objects(
    priors: int, valid: Tensor | None, gt_boxes: Tensor, gt_labels: Tensor, offsets: Tensor, ignore: Tensor
) -> str | None:
    """What any kernel over priors and objects does not take; None if it takes these."""
    types = {
        "valid flags": (valid, torch.bool),
        "ground-truth boxes": (gt_boxes, torch.float32),
        "labels": (gt_labels, torch.int64),
        "offsets": (offsets, torch.int64),
        "ignore flags": (ignore, torch.bool),
    }
    sizes = {"priors": priors, "ground truths": gt_boxes.shape[0], "images": offsets.shape[0] - 1}
    return wrong_type(**types) or wrong_size(**sizes) or rotated_boxes(gt_boxes)


def refused_boxes(prior_boxes: Tensor, *objects: Any) -> str | None:
    """The same for a kernel that reads the boxes of the priors."""
    why = wrong_type(priors=(prior_boxes, torch.float32)) or rotated_boxes(prior_boxes)
    return why or refused_objects(prior_boxes.shape[-2], *objects)


def lazily(folder: str, name: str) -> Callable[..., Any]:
    """The function of that name in an op's `triton.py`, which is imported when it is first called: it needs triton."""

    def run(*args: Any) -> Any:
        return getattr(import_module(f"labelassign.ops.{folder}.triton"), name)(*args)

    return run


def launch(kernel: Any, grid: tuple[int, ...], near: Tensor, *args: Any, warps: int, **constants: Any) -> None:
    """Start a kernel on the device of `near`, on its current stream; products and sums are never fused."""
    with torch.cuda.device(near.device) if near.is_cuda else nullcontext():
        kernel[grid](*args, **constants, num_warps=warps, enable_fp_fusion=False)


def blocks(count: int, size: int) -> int:
    """How many blocks of `size` hold `count`."""
    return -(-count // size)


def power_of_two(count: int, least: int = 1) -> int:
    """The smallest power of two from `least` on that is not below `count`."""
    return max(least, 1 << max(count - 1, 0).bit_length())
