"""Run the benchmarks: `python -m benchmarks`.

The exit status is 1 if a gate was red: then a comparison has no figure.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks import cases, floor, machine, memory, overhead, report, results, scaling, targets


def options(words: list[str] | None = None) -> argparse.Namespace:
    """What may be asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="turns of each arm (default %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="threads (default %(default)s)")
    parser.add_argument("--only", default="", help="comparisons whose name contains this")
    parser.add_argument("--quick", action="store_true", help="one image of 20 objects; no memory, no compiled arm")
    parser.add_argument("--out", type=Path, default=results.FOLDER, help="folder of the JSON file (%(default)s)")
    return parser.parse_args(words)


def run(asked: argparse.Namespace) -> dict[str, Any]:
    """Measure everything that is asked for; what a results file holds."""
    torch.set_num_threads(asked.threads)
    content: dict[str, Any] = {"version": 1, "kind": "cpu", "unit": "ms per call", "rounds": asked.rounds}
    content |= {"complete": not (asked.only or asked.quick), "machine": machine.describe(asked.threads)}
    chosen, console = list(cases.cases(asked.only, asked.quick)), Console(stderr=True)
    budget, few = (1.0, min(asked.rounds, 5)) if asked.quick else (8.0, asked.rounds)
    content["cases"] = []
    for number, case in enumerate(chosen, 1):
        console.print(f"{number} of {len(chosen)}: {case.name}", style="dim", highlight=False)
        content["cases"].append(cases.measure(case, asked.rounds, compile_too=not asked.quick, budget=budget))
    console.print("memory, threads, overhead, floor", style="dim")
    content["memory"] = [] if asked.quick else memory.measure(asked.threads, content["cases"])
    content["scaling"] = [] if asked.quick else scaling.measure(asked.rounds, asked.threads, asked.only)
    content["overhead"] = overhead.measure(few) if not asked.only else {}
    content["floor"] = floor.measure(few)
    content["targets"] = targets.judge(content)
    return content


def main(words: list[str] | None = None) -> int:
    """Measure, print and write."""
    asked = options(words)
    if asked.rounds < 1 or asked.threads < 1:
        raise SystemExit(
            f"benchmarks: expected --rounds and --threads of 1 or more, got {asked.rounds} and "
            f"{asked.threads}; give positive numbers"
        )
    machine.limit_memory()
    content = run(asked)
    path = results.write(asked.out, content)
    report.show(content)
    print(path)
    return int(any(not gate["green"] for row in content["cases"] for gate in row["gates"]))


if __name__ == "__main__":
    sys.exit(main())
