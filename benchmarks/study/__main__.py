"""Run the study: `python -m benchmarks.study`, or one arm of it: `python -m benchmarks.study --only 600/paa-0`.

What has run is not run again; what was stopped goes on where it was. `python -m benchmarks.study.page` writes the page.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from fnmatch import fnmatch
from pathlib import Path

from tqdm import tqdm

from benchmarks.study.jobs import RESULTS, Job, every, options_of

WORK = Path(os.environ.get("LABELASSIGN_STUDY", "study_output"))  # weights and checkpoints; not in the repository


def run_one(name: str) -> None:
    """Train one run in this process, and keep its result."""
    import torch

    from benchmarks.study.results import keep
    from examples.recipe.train import train

    torch.set_num_threads(1)
    job = {each.name: each for each in every()}[name]
    result = train(options_of(job, WORK), WORK / job.name, save_every=100, split=job.split)
    keep(job, result)


def run_all(pattern: str, jobs: int) -> int:
    """Train all that match and have not run, so many at once; how many failed."""
    failed: list[str] = []
    with ThreadPoolExecutor(jobs) as pool, tqdm(unit="run", dynamic_ncols=True) as bar:
        running: dict[Future[int], Job] = {}
        while True:
            left = [job for job in _missing(pattern) if job.name not in failed]
            bar.total = bar.n + len(left)
            busy = {job.name for job in running.values()}
            ready = [job for job in left if job.name not in busy and all(map(_there, job.needs))]
            for job in ready[: jobs - len(running)]:
                running[pool.submit(_apart, job.name)] = job
            if not running:
                break
            bar.set_postfix_str(", ".join(job.name for job in running.values()))
            for future in wait(running, return_when="FIRST_COMPLETED").done:
                job = running.pop(future)
                bar.update()
                if future.result() or not job.done:
                    failed.append(job.name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    if left and not failed:
        print(f"not run, for want of what they need: {', '.join(job.name for job in left)}", file=sys.stderr)
    return len(failed) + len(left)


def _missing(pattern: str) -> list[Job]:
    """What has no result, and whose weights are wanted and not here: they are not in the repository."""
    jobs = every()
    left = [job for job in jobs if fnmatch(job.name, pattern) and not job.done]
    wanted = {name for job in left for name in job.needs}
    return [job for job in jobs if job in left or (job.name in wanted and job.done and not _there(job.name))]


def _there(name: str) -> bool:
    """Whether what a run needs is there: of a trial its result, of a teacher its weights too."""
    result = (RESULTS / f"{name}.json").exists()
    return result and (name.startswith("tuning/") or (WORK / name / "model.pt").exists())


def _apart(name: str) -> int:
    """In a process of its own, with one thread."""
    settings = {**os.environ, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive"}
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.study", "--one", name], env=settings, check=False
    ).returncode


def main(words: Sequence[str] | None = None) -> int:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.study", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="*", metavar="PATTERN", help="names of runs, like '600/paa-*' (default: all)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="runs at once (default: all cores)")
    parser.add_argument("--list", action="store_true", help="say what there is and whether it has run")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    asked = parser.parse_args(words)
    if asked.list:
        print("\n".join(f"{'done' if job.done else '    '} {job.name}" for job in every()))
        return 0
    if asked.one:
        run_one(asked.one)
        return 0
    return 1 if run_all(asked.only, asked.jobs) else 0


if __name__ == "__main__":
    sys.exit(main())
