"""PTX as text, taken apart: parameters, instructions and where the labels are."""

import re
from dataclasses import dataclass, field

import numpy as np

BLOCK_END = {"bra", "ret"}


@dataclass
class Instruction:
    """`@!%p1 setp.lt.s32 %p2, %r1, 5;`: guard ("%p1", True), parts ["setp", "lt", "s32"], operands."""

    parts: list[str]
    operands: list[str]
    guard: tuple[str, bool] | None
    text: str
    code: object = None  # what the machine makes of it
    ran: bool = False  # whether any thread has executed it
    source: str = ""  # file and line that it comes from


@dataclass
class Program:
    """One kernel."""

    name: str
    parameters: list[str]
    instructions: list[Instruction]
    labels: dict[str, int]
    starts: set[int] = field(init=False)  # where threads may come together: labels, and what follows a branch

    def __post_init__(self):
        after = {i + 1 for i, each in enumerate(self.instructions) if each.parts[0] in BLOCK_END}
        self.starts = {0, *self.labels.values(), *after}


def parse(text):
    """The only kernel of a PTX module."""
    head, _, rest = text[text.index(".entry ") + 7 :].partition("(")
    parameters = re.findall(r"\.param [^,\n]*?([\w$]+_param_\d+)", rest[: rest.index("{")])
    body = rest[rest.index("\n{") + 2 : rest.index("\n}")]
    files = dict(re.findall(r'^[ \t]*\.file\s+(\d+) "([^"]+)"', text, re.MULTILINE))
    body = re.sub(r"^[ \t]*\.loc\s+(\d+) (\d+)[^\n]*$", r"@\1:\2;", body, flags=re.MULTILINE)
    body = re.sub(r"//[^\n]*", "", body)
    body = re.sub(r"^[ \t]*\.(?:loc|file|section|pragma|reg|local|shared)\b[^\n]*$", "", body, flags=re.MULTILINE)
    instructions, labels, source = [], {}, ""
    # a register of libdevice's own, declared in braces, which hold nothing else
    body = re.sub(r"\.reg \.b32 tmp;", "", body)
    body = re.sub(r"\btmp\b", "%tmp", body)
    for statement in re.split(r";|(?<=:)\s*\n", body):
        line = " ".join(statement.split())
        while found := re.match(r"(\$\w+):\s*|[{}](?=\s|$)\s*", line):
            if found.group(1):
                labels[found.group(1)] = len(instructions)
            line = line[found.end() :]
        if found := re.fullmatch(r"@(\d+):(\d+)", line):
            source = f"{files[found.group(1)]}:{found.group(2)}"
        elif line:
            instructions.append(instruction(line, source))
    return Program(head.strip(), parameters, instructions, labels)


def instruction(line, source=""):
    """One statement without its semicolon."""
    guard, rest = None, line
    if found := re.match(r"@(!?)(%\w+)\s+", line):
        guard, rest = (found.group(2), found.group(1) == "!"), line[found.end() :]
    name, _, operands = rest.partition(" ")
    found = re.findall(r"\{[^}]*\}|\[[^\]]*\]|[^,\s]+", operands)
    return Instruction(name.split("."), found, guard, line, source=source)


def registers(operand):
    """The registers named in an operand, a list in braces in order; `_` is none."""
    return re.findall(r"%\w+|(?<!\w)_(?!\w)", operand)


def place(operand):
    """Base and offset of an address in brackets."""
    base, _, offset = operand.strip("[] ").partition("+")
    return base.strip(), int(offset or "0", 0)


def low_bits(value, dtype):
    """A whole number cut to the bits of a type."""
    bits = 8 * np.dtype(dtype).itemsize
    return np.array(value & (2**bits - 1), f"u{bits // 8}").view(dtype)[()]
