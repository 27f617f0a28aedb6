"""Executes PTX on the host: all threads of all blocks at once, one lane of a NumPy vector each.

Of the threads that are apart those at the lowest instruction go on, so they come together again after a branch. It is
the emitted PTX that runs: what ptxas makes of it, the memory model inside a block, and speed are not covered.
"""

import numpy as np

from tests.kernels.ptx import numbers
from tests.kernels.ptx.decode import decode
from tests.kernels.ptx.memory import UINT, MachineError, Memory

LANES = 1 << 13  # at once; more blocks come later
STEPS = 400_000


class Machine:
    """The state of some blocks: registers by name, shared memory, and who is active."""

    def __init__(self, program, values, memory, blocks, threads, shared):
        self.program, self.values, self.memory, self.threads = program, values, memory, threads
        self.lanes = len(blocks) * threads
        self.block = np.repeat(np.arange(len(blocks)), threads)
        self.number = np.repeat(np.array([b[3] for b in blocks]), threads).astype(np.int32)
        self.shared = np.zeros((len(blocks), max(shared, 8)), np.uint8)
        self.size = shared
        thread = np.tile(np.arange(threads), len(blocks))
        self.registers = {"%tid.x": thread, "%laneid": thread % 32, "%ntid.x": np.full(self.lanes, threads)}
        for axis, name in enumerate("xyz"):
            self.registers[f"%ctaid.{name}"] = np.repeat(np.array([b[axis] for b in blocks]), threads)
        self.registers = {name: value.astype(np.uint32) for name, value in self.registers.items()}
        self.at, self.active, self.whole = np.zeros(self.lanes, np.int64), np.ones(self.lanes, bool), True

    def read(self, name, dtype):
        """A register or a number as a vector of that type, by its low bits."""
        if name[0] != "%":
            return np.broadcast_to(literal(name, dtype), self.lanes)
        value = self.registers.get(name)
        if value is None:
            raise MachineError(f"{name} is read before it is written")
        if dtype is np.bool_ or value.dtype == np.bool_:
            return value
        width = np.dtype(dtype).itemsize
        return (value if value.dtype.itemsize == width else value.astype(UINT[width])).view(dtype)

    def write(self, name, value, mask=None):
        """A register of the active lanes (of `mask`, if some of them do not take part)."""
        if name == "_":
            return
        if value.dtype != np.bool_:
            width = {"%rs": 2, "%rd": 8}.get(name[:3], 4)
            value = np.ascontiguousarray(value)
            # a signed number fills a wider register with its sign
            value = value.astype({2: np.int16, 4: np.int32, 8: np.int64}[width]) if value.dtype.kind == "i" else value
            value = value.view(UINT[value.dtype.itemsize]).astype(UINT[width])
        mask = self.active if mask is None else mask
        old = self.registers.get(name)
        if old is not None and not (self.whole and mask is self.active):
            value = np.where(mask, value, old)
        self.registers[name] = value

    def run(self):
        """Until all threads have returned."""
        end, steps = len(self.program.instructions), 0
        while (here := int(self.at.min())) < end:
            self.active = self.at == here
            self.whole = bool(self.active.all())
            while True:
                code, guard = self.program.instructions[here].code, self.program.instructions[here].guard
                mask = self.active
                if guard is not None:
                    mask = mask & (self.read(guard[0], np.bool_) ^ guard[1])
                steps += 1
                if steps > STEPS:
                    raise MachineError(f"no end after {STEPS} steps")
                jumped = code(self, mask)
                here += 1
                if jumped is not None:
                    self.at = np.where(self.active, np.where(mask, jumped, here), self.at)
                    break
                if here in self.program.starts or here >= end:
                    self.at = np.where(self.active, here, self.at)
                    break
        return steps


def literal(text, dtype):
    """A number written in PTX."""
    if text in ("true", "false"):
        return np.bool_(text == "true")
    if text == "global_smem":
        return dtype(0)
    if text[:2] in ("0f", "0d") and dtype in (np.float32, np.float64, np.uint32, np.uint64):
        width = 4 if text[1] == "f" else 8
        return np.array(int(text[2:], 16), UINT[width]).astype(UINT[np.dtype(dtype).itemsize]).view(dtype)[()]
    value = int(text.rstrip("U"), 0)
    if dtype is np.bool_:
        return np.bool_(value != 0)
    width = np.dtype(dtype).itemsize
    return np.array(value & (2 ** (8 * width) - 1), UINT[width]).view(dtype)[()]


def execute(program, grid, threads, values, tensors, shared):
    """Run a program over a grid; parameters by name in `values`, memory is that of `tensors`."""
    for each in program.instructions:
        if each.code is None:
            each.code = decode(each, program)
    memory, sizes = Memory(tensors), (*grid, 1, 1)[:3]
    every = [(x, y, z) for z in range(sizes[2]) for y in range(sizes[1]) for x in range(sizes[0])]
    every = [(*place, number) for number, place in enumerate(every)]
    step, done = max(1, LANES // threads), 0
    with np.errstate(all="ignore"):
        for first in range(0, len(every), step):
            done += Machine(program, values, memory, every[first : first + step], threads, shared).run()
    return done


assert numbers.TYPES
