"""Peak memory of one call beyond its inputs and outputs, each arm in a process of its own.

The figure is the kernel's: resident memory at its highest during the call (VmHWM, reset before it through
/proc/self/clear_refs) less resident memory before the call, less the bytes of the answer. It sees everything: tensors,
the C++ heap, NumPy, scratch memory that a library keeps. glibc is told to give back every block of 64 KiB or more, so
that memory freed earlier hides nothing. A small problem is solved first, which loads code and starts threads; the
first call of full size counts, for it is the one that makes scratch grow. Steps of some 0.1 MiB are noise.
"""

from __future__ import annotations

import ctypes
import dataclasses
import gc
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from benchmarks import arms
from benchmarks.arms import Arm
from benchmarks.methods import METHODS, Method
from benchmarks.workloads import COCO, WORKLOADS, Problem, Workload

ROOT = Path(__file__).parents[1]
COUNTS = (20, 100, 400, 5000)
NAMES = ("PAA", "MaxIoU, mmdet's rules", "MaxIoU, torchvision's rules", "ATSS")
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
_WARM_UP = Workload("warm-up", (256, 320), (8, 16, 32, 64, 128), (3,))
_CALLS = 3


def _status(name: str) -> int:
    """Bytes of one line of /proc/self/status."""
    lines = Path("/proc/self/status").read_text("utf-8").splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(name + ":")).split()[1])


def tensors(thing: Any) -> Iterator[torch.Tensor]:
    """Every tensor in records, mappings, sequences and plain objects."""
    if isinstance(thing, torch.Tensor):
        yield thing
    elif dataclasses.is_dataclass(thing):
        yield from tensors([getattr(thing, each.name) for each in dataclasses.fields(thing)])
    elif isinstance(thing, Mapping):
        yield from tensors(list(thing.values()))
    elif isinstance(thing, Iterable) and not isinstance(thing, str):
        for each in thing:
            yield from tensors(each)
    elif hasattr(thing, "__dict__"):
        yield from tensors(vars(thing))


def size(thing: Any) -> int:
    """Bytes of all tensors in an answer, storages that several share counted once."""
    stores = {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in tensors(thing)}
    return sum(stores.values())


def peak(call: Callable[[], Any]) -> tuple[int, int]:
    """Peak of one call beyond its answer, and the answer, in bytes."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", "utf-8")
    before = _status("VmRSS")
    answer = call()
    highest, out = _status("VmHWM"), size(answer)
    return max(0, highest - before - out), out


def _arm(method: Method, problem: Problem, like: Arm) -> Arm:
    if like.peer:
        return next(arm for arm in method.peers(problem) if arm.name == like.name)
    return dataclasses.replace(like, call=method.ours(problem))


def child(method: Method, name: str, workload: Workload) -> dict[str, Any]:
    """Measure one arm in this process."""
    small = Problem(_WARM_UP)
    with torch.no_grad():
        like = next(a for a in [*arms.ours(method.ours(small))[0], *method.peers(small)] if a.name == name)
        arm = _arm(method, Problem(workload), like)
        like.once()
        arm.enter()
        found = [peak(arm.call) for _ in range(_CALLS)]
    first, later = found[0][0], min(each[0] for each in found[1:])
    return {"peak_mib": _mib(first), "later_mib": _mib(later), "output_mib": _mib(found[0][1])}


def _mib(count: int) -> float:
    return round(count / (1 << 20), 3)


def measure_one(method: Method, arm: str, workload: Workload, threads: int) -> dict[str, Any]:
    """Start the process that measures one arm; an arm that fails says so instead of a figure."""
    given = [method.name, arm, workload.name, str(workload.objects), str(threads)]
    command = [sys.executable, "-m", "benchmarks.memory", *given]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | ENVIRONMENT, capture_output=True, text=True, check=False)
    last = [*done.stderr.strip().splitlines(), f"exit status {done.returncode}"][-2:][0]
    figures = json.loads(done.stdout.strip().splitlines()[-1]) if done.returncode == 0 else {"failed": last}
    return {"method": method.name, "workload": workload.name, "objects": workload.objects, "arm": arm} | figures


def measure(threads: int, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Every arm that has a time on the single COCO image, so every arm whose gate was green."""
    if not Path("/proc/self/clear_refs").exists():
        return []
    found = []
    for row in rows:
        wanted = row["workload"] == COCO and row["objects"] in COUNTS and row["method"] in NAMES
        if wanted:
            workload = next(w for w in WORKLOADS if w.name == COCO and w.objects == row["objects"])
            named = [name for name in row["arms"] if name != "compiled"]
            found += [measure_one(METHODS[row["method"]], name, workload, threads) for name in named]
    return found


if __name__ == "__main__":
    method_name, arm_name, workload_name, count, wanted_threads = sys.argv[1:]
    torch.set_num_threads(int(wanted_threads))
    chosen = next(w for w in WORKLOADS if (w.name, str(w.objects)) == (workload_name, count))
    print(json.dumps(child(METHODS[method_name], arm_name, chosen)))
