"""The table for readers, and the JSON file with the machine for later."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.timing import Row

ROOT = Path(__file__).parents[1]
PACKAGES = ("torch", "numpy", "torchvision", "mmdet", "mmcv-lite", "scikit-learn")


def _git(*words: str) -> str:
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else "unknown"


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    names = [line for line in info.read_text("utf-8").splitlines() if "model name" in line] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor() or platform.machine()


def machine(threads: int) -> dict[str, Any]:
    """What a figure depends on, as found before measuring."""
    import torch

    return {
        "cpu": _cpu(),
        "vector instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "load before": os.getloadavg(),
        "torch threads": threads,
        "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", ""),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
        "commit": _git("rev-parse", "HEAD"),
        "dirty": bool(_git("status", "--porcelain", "--", "labelassign", "benchmarks/*.py", "tests/parity")),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def show(rows: Sequence[Row]) -> None:
    """Print a table: milliseconds per call, median with quartiles; above 1 ours is faster, below 1 slower."""
    table = Table("method", *("objects", "images", "mmdet ms", "ours ms", "ratio"), title="torch reference and mmdet")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        if row.differing:
            cells = [f"[red]{row.differing} priors differ: no figure", "", ""]
        else:
            spans = [f"{t.median:.1f} ({t.low:.1f}–{t.high:.1f})" for t in (row.times["mmdet"], row.times["ours"])]
            cells = [*spans, f"[{'green' if row.ratio > 1 else 'red'}]{row.ratio:.2f}"]
        table.add_row(row.method, str(row.objects), str(row.images), *cells)
    Console().print(table)


def write(folder: Path, name: str, before: dict[str, Any], rows: Sequence[Row]) -> Path:
    """Write machine and rows to `folder`; every run keeps its own file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{before['date'].replace(':', '')[:17]}.json"
    found = [asdict(row) | ({} if row.differing else {"ratio": round(row.ratio, 3)}) for row in rows]
    content = {"unit": "ms per call", "machine": before | {"load after": os.getloadavg()}, "rows": found}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path
