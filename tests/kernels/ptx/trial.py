"""How good are the eyes? Random edits of the emitted code, and how many of them the emulated tests notice.

`python -m tests.kernels.ptx.trial` runs the trial and writes PTX_TRIAL.md beside the tests.
"""

import random
import re
from collections import Counter
from pathlib import Path

import torch

from labelassign.ops.dispatch import OPS
from labelassign.testing.laws.numbers import _agree
from tests.kernels.ptx.memory import MachineError
from tests.kernels.ptx.program import instruction, parse, registers
from tests.kernels.ptx.run import TRITON, emulated, memory_filled
from tests.kernels.triton_cases import calls
from tests.kernels.triton_cases import wanted as wanted_of

PAGE, TARGET, EDITS, SEED = Path(__file__).parents[1] / "PTX_TRIAL.md", "sm_90", 400, 1
SWAPS = {
    **{
        "lt": "le",
        "le": "lt",
        "gt": "ge",
        "ge": "gt",
        "eq": "ne",
        "ne": "eq",
        "ltu": "leu",
        "leu": "ltu",
        "gtu": "geu",
    },
    **{"geu": "gtu", "equ": "neu", "neu": "equ", "add": "sub", "sub": "add", "min": "max", "max": "min", "and": "or"},
    **{"or": "and", "shl": "shr", "xor": "or", "mul": "add", "div": "mul"},
}
EDGES = (
    "match, highest",
    "match, last",
    "match, ties",
    "max_iou",
    "max_iou, first",
    "candidates, mmdet",
    "candidates, probs",
)
CHOSEN = (
    *EDGES,
    "candidates, gamma",
    "candidates, ties, zero",
    "settle",
    "settle, b",
    "resolve",
    "complete, half",
    "complete, points",
    "paa, mmdet",
    "paa, regions",
    "paa, ties",
    "paa, b",
    "rivals, mmdet",
    "rivals, regions",
    "award",
    "award, regions",
    "central_answer",
    "central_answer, tood, crowd",
    "central_answer, regions",
    "central_answer, simota, mmdet",
    "central_answer, soft, rtmdet",
)


def _swap(each, rng, pool):
    place = 1 if each.parts[0] == "setp" else 0
    other = SWAPS.get(each.parts[place])
    if other is None or "wide" in each.parts:
        return None
    parts = list(each.parts)
    parts[place] = other
    parts = [p for p in parts if not (other in ("add", "sub") and p == "lo")]
    operands = " ".join(each.text.split(" ")[(2 if each.guard else 1) :])
    return f"{_guard(each)}{'.'.join(parts)} {operands}"


def _guard(each):
    return "" if each.guard is None else f"@{'!' if each.guard[1] else ''}{each.guard[0]} "


def _flip(each, rng, pool):
    if each.guard is None:
        return None
    return each.text.replace("@!", "@", 1) if each.guard[1] else each.text.replace("@", "@!", 1)


def _drop(each, rng, pool):
    return None if each.parts[0] in ("ret", "bar", "bra") else "mov.b32 %r99999, 0"


def _number(each, rng, pool):
    found = [m for m in re.finditer(r"(?<![\w%+$.])-?\d+(?![\w.])", each.text) if m.start() > len(each.parts[0])]
    if not found or each.parts[0] in ("shfl", "bar"):
        return None
    m = rng.choice(found)
    return f"{each.text[: m.start()]}{int(m.group()) + rng.choice((-1, 1))}{each.text[m.end() :]}"


def _register(each, rng, pool):
    given = [r for operand in each.operands[1:] for r in registers(operand) if r != "_"]
    if not given or each.parts[0] == "bra":
        return None
    old = rng.choice(given)
    new = rng.choice(pool[old[:3]] if old[:3] in pool else pool[old[:2]])
    if new == old:
        return None
    head, tail = each.text.split(each.operands[0], 1)
    return head + each.operands[0] + re.sub(rf"{re.escape(old)}(?!\d)", new, tail, count=1)


def _order(each, rng, pool):
    if (
        each.parts[0] not in ("selp", "sub", "setp", "div")
        or len(each.operands) < 3
        or each.operands[1] == each.operands[2]
    ):
        return None
    to, x, y, *rest = each.operands
    return f"{_guard(each)}{'.'.join(each.parts)} {', '.join([to, y, x, *rest])}"


KINDS = {"other operation": _swap, "guard turned round": _flip, "instruction dropped": _drop, "number one off": _number,
         "another register": _register, "operands exchanged": _order}  # fmt: skip


def edit(program, rng):
    """Change one instruction; its number, the kind of edit, before and after."""
    pool = {}
    for each in program.instructions:
        for name in registers(each.text):
            pool.setdefault(name[:3] if name[:3] in ("%rs", "%rd") else name[:2], []).append(name)
    while True:
        at, kind = rng.randrange(len(program.instructions)), rng.choice(list(KINDS))
        old = program.instructions[at]
        text = KINDS[kind](old, rng, pool)
        if text is not None and text != old.text:
            program.instructions[at] = instruction(text, old.source)
            return at, kind, old.text, text


def attempt(name, want, number, rng):
    """One edit of the given launch of a call: what it was, and how it ended."""
    op, args = calls()[name]
    made, seen = {}, Counter()

    def change(launch, text):
        seen["launch"] += 1
        if seen["launch"] - 1 != number:
            return text
        made["program"] = parse(text)
        made["kernel"], made["edit"] = launch.name, edit(made["program"], rng)
        return made["program"]

    try:
        with emulated(TARGET, change), memory_filled():
            got = OPS[op].fast["triton"][0](*args)
        _agree(name, lambda *_: got, args, want["reference"])
    except MachineError as fault:
        return made, "the machine stops", str(fault)
    except AssertionError:
        return made, "another answer", ""
    pairs = zip(got, want["emulated"], strict=True)
    if not all(torch.equal(a.nan_to_num(7.0), b.nan_to_num(7.0)) for a, b in pairs):
        return made, "not noticed", "rounding: floats differ within the tolerance"
    return made, "not noticed", _why(made["program"], made["edit"])


def _why(program, edited):
    at, _, text, _ = edited
    old, now = instruction(text), program.instructions[at]
    if not now.ran:
        return "never executed on these inputs"
    named = [name for k, each in enumerate(program.instructions) if k != at for name in registers(each.text)]
    mine = registers(old.operands[0]) if old.operands and old.parts[0] not in ("st", "atom") else []
    if mine and not set(mine) & set(named):
        return "nothing reads the result"
    if old.parts[0] == "mov" and not mine[1:] and old.operands[1][0] != "%":
        return "a value for threads whose load is masked: overwritten, or not used"
    return "no output bit depends on it on these inputs"


def _line(made):
    """The statement that an edit hit."""
    name, _, number = made["program"].instructions[made["edit"][0]].source.rpartition(":")
    if "labelassign" not in name:
        return Path(name).name + " (triton's own)"
    return Path(name).read_text(encoding="utf-8").splitlines()[int(number) - 1].strip()


def trial(edits=EDITS):
    rng, wanted, results = random.Random(SEED), {}, []
    for name in CHOSEN:
        op, args = calls()[name]
        with emulated(TARGET) as started, memory_filled():
            wanted[name] = {"emulated": OPS[op].fast["triton"][0](*args), "reference": wanted_of(op, args)}
        wanted[name]["launches"] = len(started)
    for _ in range(edits):
        name = rng.choice(CHOSEN)
        results.append(attempt(name, wanted[name], rng.randrange(wanted[name]["launches"]), rng))
    return results


def page(results):
    """The trial as a page."""
    noticed = [r for r in results if r[1] != "not noticed"]
    text = f"# Random edits of the emitted code\n\n{len(results)} edits of one instruction each ({TARGET}, "
    text += f"triton {TRITON}, seed {SEED}),\nrun on the host by `python -m tests.kernels.ptx.trial`: "
    text += (
        f"{len(noticed)} noticed.\nEach meets only the one call whose launch it changes; `mov.b32 %r99999, 0` stands "
    )
    text += "for an instruction dropped.\n"
    text += "\n| kernel | edits | the machine stops | another answer | not noticed |\n|---|---|---|---|---|\n"
    text += _table(results, lambda made: made["kernel"])
    text += "\n| kind of edit | edits | the machine stops | another answer | not noticed |\n|---|---|---|---|---|\n"
    text += _table(results, lambda made: made["edit"][1])
    text += "\nWhy an edit was not noticed:\n\n| reason | edits |\n|---|---|\n"
    for reason, count in Counter(r[2] for r in results if r[1] == "not noticed").most_common():
        text += f"| {reason} | {count} |\n"
    text += "\nWhere those lie that ran and whose result is read. Lines about the block's own box (`left`, `top`,\n"
    text += "`right`, `low`, `touching`) only save work: a box that is too large changes no answer.\n\n"
    text += "| edits | line of source | first of them |\n|---|---|---|\n"
    lost = [made for made, how, why in results if how == "not noticed" and why.startswith(("no output", "rounding"))]
    first = {_line(made): made["edit"][2:] for made in reversed(lost)}
    for line, count in Counter(map(_line, lost)).most_common():
        before, after = first[line]
        text += f"| {count} | `{line.replace('|', '&#124;')}` | `{before}` → `{after}` |\n"
    return text


def _table(results, key):
    counts = Counter((key(made), how) for made, how, _ in results)
    text = ""
    for name in sorted({name for name, _ in counts}):
        row = [counts[name, how] for how in ("the machine stops", "another answer", "not noticed")]
        text += f"| {name} | {sum(row)} | {row[0]} | {row[1]} | {row[2]} |\n"
    return text


if __name__ == "__main__":
    PAGE.write_text(page(trial()), encoding="utf-8")
