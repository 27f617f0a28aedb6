"""Instructions on bfloat16, and on two halves in one register."""

import numpy as np

from tests.kernels.ptx.memory import MachineError
from tests.kernels.ptx.numbers import compare, from_bf16


def bf16(parts, operands):
    if parts[0] != "abs":
        raise MachineError(f"unknown instruction on bf16: {'.'.join(parts)}")
    to, given = operands
    return lambda m, mask: m.write(to, m.read(given, np.uint16) & np.uint16(0x7FFF), mask)


def halves(parts, operands):
    if parts[0] != "abs":
        raise MachineError(f"unknown instruction on two halves: {'.'.join(parts)}")
    to, given = operands
    return lambda m, mask: m.write(to, m.read(given, np.uint32) & np.uint32(0x7FFF7FFF), mask)


def setp_halves(parts, operands):
    to, x, y = operands
    number = from_bf16 if parts[-1] == "bf16x2" else lambda bits: bits.view(np.float16)

    def run(m, mask):
        both = [m.read(name, np.uint32) for name in (x, y)]
        for half, name in enumerate(to.split("|")):
            bits = [(word >> np.uint32(16 * half)).astype(np.uint16) for word in both]
            m.write(name, compare(parts[1], *map(number, bits)), mask)

    return run
