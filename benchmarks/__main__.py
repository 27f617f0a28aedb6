"""Run the benchmarks: `python -m benchmarks`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch

from benchmarks import reference, report

RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Measure, print and write; the exit status is 1 if a check was red."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=15, help="times per arm (default %(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="torch threads (default %(default)s)")
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the JSON file (default %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    before = report.machine(options.threads)
    rows = reference.run(options.rounds, options.only)
    report.show(rows)
    print(report.write(options.out, "reference", before, rows))
    return int(any(row.differing for row in rows))


if __name__ == "__main__":
    sys.exit(main())
