"""One run's result in the repository: what it was, what came out, on which code and machine."""

from __future__ import annotations

import platform
from typing import Any

import torch

import labelassign as la
from benchmarks.machine import git
from benchmarks.study.jobs import Job
from examples.recipe import digits, sources
from examples.recipe.checkpoints import save_json

DIGITS = 4


def keep(job: Job, result: dict[str, Any]) -> None:
    """Write it, as a whole or not at all; numbers that are shown rounded are kept so."""
    options = {**result["options"], "teacher": job.options.get("teacher")}
    content = {
        "run": job.name,
        "options": options,
        "scores": _rounded(result["scores"]),
        "cpu_seconds": _rounded(result["cpu_seconds"]),
        "parameters": result["parameters"],
        "rows": [_rounded(row) for row in result["rows"]],
        **versions(),
        "scenes": digits.fingerprint(*digits.load(job.split, sources.SCENES[job.split])),
    }
    save_json(job.path, content)


def versions() -> dict[str, Any]:
    """Of what takes part, and the last commit, marked if files are different from it."""
    found = {"labelassign": la.__version__, "torch": torch.__version__, "python": platform.python_version()}
    return {"versions": found, "commit": git("describe", "--always", "--dirty", "--abbrev=12", "--exclude=*")}


def _rounded(numbers: dict[str, float]) -> dict[str, float]:
    return {name: round(value, DIGITS) for name, value in numbers.items()}
