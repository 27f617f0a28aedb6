"""The same comparisons on a GPU: `python -m benchmarks.gpu`.

Times are between two CUDA events. Every arm of ours is also called under the sync debug mode "error", captured in a
CUDA graph where that is possible, and its launches are counted. Answers are compared with the reference on the CPU.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks import arms, cases, machine, report, results, rows, timing
from benchmarks.calls import compiled
from benchmarks.cases import Case
from benchmarks.gpu_probe import CUDA, Probe, to_cpu
from benchmarks.workloads import Problem

NO_GPU = (
    "benchmarks.gpu: expected a CUDA or ROCm device, but torch {version} ({build}) sees none. Install a build of torch "
    "for your GPU and its driver, or run `python -m benchmarks` for the CPU."
)


def measure(case: Case, rounds: int, probe: Probe = CUDA, device: str = "cuda") -> dict[str, Any]:
    """Gates, times and the probe's findings of one comparison, as the results file has them."""
    here, host = Problem(case.workload, device), Problem(case.workload)
    with torch.no_grad(), arms.restored():
        call = case.method.ours(here)
        mine, refused = arms.ours(call, compiled(call) if case.compiles and probe.compiles else None)
        want = arms.Arm("reference", case.method.ours(host), forced="reference").once()
        both = [*mine, *case.method.peers(here)]
        allowed, gates, failed = cases.check(case.method, host, both, want, to_cpu)
        times = timing.interleaved(allowed, rounds, stopwatch=probe.stopwatch) if allowed else {}
        found = {}
        for arm in allowed:
            arm.enter()
            found[arm.name] = rows.of_arm(arm, times[arm.name]) | probe.look(arm)
    return cases.describe(case, here.priors.count, refused | failed, gates, found)


def options(words: list[str] | None) -> argparse.Namespace:
    """What may be asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--rounds", type=int, default=50, help="turns of each arm (default %(default)s)")
    parser.add_argument("--only", default="", help="comparisons whose name contains this")
    parser.add_argument("--quick", action="store_true", help="one image of 20 objects")
    parser.add_argument("--out", type=Path, default=results.FOLDER, help="folder of the JSON file (%(default)s)")
    return parser.parse_args(words)


def run(asked: argparse.Namespace, probe: Probe = CUDA, device: str = "cuda") -> dict[str, Any]:
    """Measure what is asked for; what a results file holds."""
    content: dict[str, Any] = {"version": 1, "kind": "gpu", "unit": "ms per call", "rounds": asked.rounds}
    content |= {"complete": not (asked.only or asked.quick), "machine": machine.describe(torch.get_num_threads())}
    content |= {"memory": [], "overhead": {}, "scaling": [], "floor": None, "targets": [], "cases": []}
    chosen, console = list(cases.cases(asked.only, asked.quick)), Console(stderr=True)
    for number, case in enumerate(chosen, 1):
        console.print(f"{number} of {len(chosen)}: {case.name}", style="dim", highlight=False)
        content["cases"].append(measure(case, asked.rounds, probe, device))
    return content


def main(words: list[str] | None = None) -> int:
    """Measure, print and write; 2 without a GPU, 1 after a red gate."""
    asked = options(words)
    if not torch.cuda.is_available():
        build = torch.version.hip or torch.version.cuda or "built for the CPU"
        print(NO_GPU.format(version=torch.__version__, build=build), file=sys.stderr)
        return 2
    content = run(asked)
    path = results.write(asked.out, content)
    report.show(content)
    print(path)
    return int(any(not gate["green"] for row in content["cases"] for gate in row["gates"]))


if __name__ == "__main__":
    sys.exit(main())
