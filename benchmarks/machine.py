"""The machine and the software that figures depend on."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

if sys.platform == "linux":
    import resource

ROOT = Path(__file__).parents[1]
PACKAGES = ("torch", "triton", "numpy", "torchvision", "mmdet", "mmcv-lite", "scikit-learn", "ultralytics")


def git(*words: str) -> str:
    """What git answers about this repository; "unknown" where it cannot."""
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text("utf-8").splitlines() if "model name" in line] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def _caches() -> dict[str, str]:
    """Sizes of the first core's caches, as Linux has them."""
    found = {}
    for index in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((index / name).read_text("utf-8").strip() for name in ("level", "type", "size"))
        found[f"L{level} {kind.lower()}"] = size
    return found


def _memory() -> float | None:
    names = {"SC_PAGE_SIZE", "SC_PHYS_PAGES"} & set(os.sysconf_names)
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1) if len(names) == 2 else None


def limit_memory(share: float = 0.85) -> None:
    """Let a peer that asks for more than this share of the machine's memory fail alone, not the whole run."""
    total = _memory()
    if total is not None and sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (int(share * total * 2**30), resource.RLIM_INFINITY))


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def gpu() -> dict[str, Any] | None:
    """The first accelerator that torch sees, or None."""
    if not torch.cuda.is_available():
        return None
    one = torch.cuda.get_device_properties(0)
    return {
        "name": one.name,
        "memory_gib": round(one.total_memory / 2**30, 1),
        "multiprocessors": one.multi_processor_count,
        "capability": f"{one.major}.{one.minor}",
        "runtime": torch.version.hip or torch.version.cuda,
    }


def describe(threads: int) -> dict[str, Any]:
    """What a figure depends on, as found before measuring."""
    return {
        "cpu": _cpu(),
        "vector_instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "caches": _caches(),
        "memory_gib": _memory(),
        "gpu": gpu(),
        "load_before": list(os.getloadavg()),
        "threads": threads,
        "omp_wait_policy": os.environ.get("OMP_WAIT_POLICY", ""),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "commit": git("rev-parse", "HEAD"),
        "dirty": bool(git("status", "--porcelain", "--", "labelassign", "benchmarks/*.py", "tests/parity")),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
