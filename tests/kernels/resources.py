"""What the kernels need on every target: registers and shared memory, written down in resources.json and RESOURCES.md.

`python -m tests.kernels.resources` compiles everything and writes both files.
"""

import json
from pathlib import Path

import triton

from labelassign.ops.dispatch import OPS
from tests.kernels.offline import TARGETS, launches, resources
from tests.kernels.triton_cases import calls

TABLE, PAGE = Path(__file__).with_name("resources.json"), Path(__file__).with_name("RESOURCES.md")
# every kernel, and of each the variants that need most: compiling takes a second per variant and target
CALLS = (
    *("match, highest", "match, last", "max_iou", "max_iou, first", "complete, points", "resolve"),
    *("candidates", "candidates, mmdet", "candidates, probs", "candidates, gamma"),
    *("settle", "settle, a", "settle, b", "settle, d"),
    *("paa", "paa, mmdet", "paa, regions", "paa, b", "paa, d"),
    *("rivals", "rivals, mmdet", "rivals, probs", "award", "award, mmdet", "award, large", "award, most"),
    *("central_answer", "central_answer, tood", "central_answer, regions", "central_answer, ultralytics"),
    *("central_answer, ciou, ties", "central_answer, simota, mmdet", "central_answer, simota, probs"),
    *("central_answer, soft, rtmdet", "central_answer, soft, probs"),
)
HEAD = """# Registers and shared memory of the Triton kernels

Compiled without a device by triton {version}; written by `python -m tests.kernels.resources`, held by `make kernels`.
Registers per thread / bytes of shared memory per block. No kernel spills a register to memory or has a stack.
What a GPU makes of them has not been measured.

| call, kernel | warps | {targets} |
|---|---|{rule}
"""


def variants():
    """One launch of every kernel in every variant that the calls start, by call and name."""
    found, seen, every = {}, set(), calls()
    for name in CALLS:
        op, args = every[name]
        with launches() as started:
            OPS[op].fast["triton"][0](*args)
        for launch in started:
            _, options, signature, constants, known = launch.bound(TARGETS["sm_90"])
            key = repr((launch.name, signature, constants, known, options.num_warps))
            if key not in seen:
                seen.add(key)
                found[f"{name}: {launch.name}"] = launch
    return found


def measured(target):
    """Resources of every variant on a target."""
    return {name: resources(launch.compiled(TARGETS[target]), TARGETS[target]) for name, launch in variants().items()}


def page(table):
    """The table as a page."""
    names = list(next(iter(table["kernels"].values())))
    text = HEAD.format(version=table["triton"], targets=" | ".join(names), rule="---|" * len(names))
    warps = {name: launch.options["num_warps"] for name, launch in variants().items()}
    for kernel, row in table["kernels"].items():
        cells = " | ".join(f"{cell['registers']} / {cell['shared']}" for cell in row.values())
        text += f"| {kernel} | {warps[kernel]} | {cells} |\n"
    return text


def main():
    found = {target: measured(target) for target in TARGETS}
    kernels = {name: {target: found[target][name] for target in TARGETS} for name in found["sm_80"]}
    table = {"triton": triton.__version__, "kernels": kernels}
    TABLE.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    PAGE.write_text(page(table), encoding="utf-8")


if __name__ == "__main__":
    main()
