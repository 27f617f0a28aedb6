"""Measure what adapters cost: `python -m benchmarks.adapters`.

The exit status is 1 if the losses of two sides differ somewhere: then that detector has no figures.
"""

from __future__ import annotations

import argparse
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from benchmarks import machine, results
from benchmarks.adapters import report
from benchmarks.adapters.measure import measure
from benchmarks.adapters.subject import Subject


def options(words: list[str] | None = None) -> argparse.Namespace:
    """What may be asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.adapters", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", help="detectors whose name contains this")
    parser.add_argument("--quick", action="store_true", help="small images, few objects, few rounds")
    parser.add_argument("--budget", type=float, default=3.0, help="seconds for each of two comparisons (%(default)s)")
    parser.add_argument("--rounds", type=int, default=80, help="turns of each side at most (default %(default)s)")
    parser.add_argument("--note", default="", help="what else the machine does meanwhile, for the page")
    parser.add_argument("--out", type=Path, default=results.FOLDER, help="folder of the JSON file (%(default)s)")
    return parser.parse_args(words)


def subjects() -> list[Subject]:
    """All of them; their libraries are imported here."""
    from benchmarks.adapters import of_mmdet, of_others, of_queries, of_torchvision, of_yolo

    return [each for part in (of_torchvision, of_mmdet, of_yolo, of_queries, of_others) for each in part.SUBJECTS]


def run(asked: argparse.Namespace) -> dict[str, Any]:
    """Measure what is asked for; what a results file holds."""
    torch.set_num_threads(1)
    known, console = subjects(), Console(stderr=True)
    chosen = [each for each in known if asked.only.lower() in each.name.lower()]
    content: dict[str, Any] = {"version": 1, "kind": "adapters", "unit": "ms", "rounds": asked.rounds}
    content |= {"complete": not (asked.only or asked.quick), "note": asked.note, "machine": machine.describe(1)}
    content["machine"]["packages"] |= {each.package: version(each.package) for each in known}
    content["subjects"] = []
    for each in chosen:
        for objects in (5,) if asked.quick else each.objects:
            console.print(f"{each.name}, {objects} objects", style="dim", highlight=False)
            side = 128 if asked.quick else each.side
            content["subjects"].append(measure(each, objects, side, asked.budget, asked.rounds))
    return content


def main(words: list[str] | None = None) -> int:
    """Measure, print and write."""
    asked = options(words)
    content = run(asked)
    path = results.write(asked.out, content, results.ADAPTERS)
    report.show(content)
    print(path)
    return int(any(report.problem(row) for row in content["subjects"]))


if __name__ == "__main__":
    sys.exit(main())
