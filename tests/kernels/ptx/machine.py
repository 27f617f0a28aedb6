"""Executes PTX on the host: all threads of all blocks at once, one lane of a NumPy vector each.

Of the threads that are apart those at the lowest instruction go on; what a warp or a block does together waits for all
of them. It is the emitted PTX that runs: what ptxas makes of it, the memory model inside a block, and speed are not
covered.
"""

import numpy as np

from tests.kernels.ptx.decode import decode
from tests.kernels.ptx.memory import UINT, MachineError, Memory
from tests.kernels.ptx.program import low_bits

LANES = 1 << 13  # at once; more blocks come later
STEPS = 400_000
WIDTHS, POISON = {"%rs": 2, "%rd": 8}, 0xFFFADEADBEEFF00D
SYNCHRONOUS = {"shfl", "redux", "bar"}  # what the threads of a warp or a block do together


class Machine:
    """The state of some blocks: registers by name, shared memory, and who is active."""

    def __init__(self, program, values, memory, blocks, threads, shared, sizes):
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
            self.registers[f"%nctaid.{name}"] = np.full(self.lanes, sizes[axis])
        self.registers = {name: value.astype(np.uint32) for name, value in self.registers.items()}
        self.at, self.active, self.whole = np.zeros(self.lanes, np.int64), np.ones(self.lanes, bool), True
        self.waiting = np.zeros(self.lanes, bool)

    def read(self, name, dtype):
        """A register or a number as a vector of that type, by its low bits."""
        if name[0] != "%":
            return np.broadcast_to(literal(name, dtype), self.lanes)
        value = self.registers.get(name)
        if value is None:
            value = self.registers[name] = self.poison(name)
        if dtype is np.bool_ or value.dtype == np.bool_:
            return value
        width = np.dtype(dtype).itemsize
        return (value if value.dtype.itemsize == width else value.astype(UINT[width])).view(dtype)

    def write(self, name, value, mask=None):
        """A register of the active lanes (of `mask`, if some of them do not take part)."""
        if name == "_":
            return
        if value.dtype != np.bool_:
            width = WIDTHS.get(name[:3], 4)
            value = np.ascontiguousarray(value)
            # a signed number fills a wider register with its sign
            value = value.astype({2: np.int16, 4: np.int32, 8: np.int64}[width]) if value.dtype.kind == "i" else value
            value = value.view(UINT[value.dtype.itemsize]).astype(UINT[width])
        mask = self.active if mask is None else mask
        if not (self.whole and mask is self.active):
            old = self.registers.get(name)
            value = np.where(mask, value, self.poison(name) if old is None else old)
        self.registers[name] = value

    def poison(self, name):
        """What is in a register before anything is: a NaN, or a place that no tensor has."""
        if name.startswith("%p"):
            return np.zeros(self.lanes, bool)
        width = WIDTHS.get(name[:3], 4)
        return np.full(self.lanes, POISON >> (64 - 8 * width), UINT[width])

    def run(self):
        """Until all threads have returned."""
        end, steps = len(self.program.instructions), 0
        while not (self.at >= end).all():
            if self.waiting[self.at < end].all():
                raise MachineError("threads wait for others that never come")
            here = int(self.at[~self.waiting].min())
            self.active = self.at == here
            self.waiting &= ~self.active
            self.whole = bool(self.active.all())
            steps += self.straight(here, end)
            if steps > STEPS:
                raise MachineError(f"no end after {STEPS} steps")
        return steps

    def straight(self, here, end):
        """Run the active threads from here to the next place where threads part or may come together."""
        for done, each in enumerate(self.program.instructions[here:], 1):
            if each.parts[0] in SYNCHRONOUS and not self.whole and self.meet(here, each.parts[0]):
                return done
            mask = self.active
            if each.guard is not None:
                mask = mask & (self.read(each.guard[0], np.bool_) ^ each.guard[1])
            each.ran = each.ran or bool(mask.any())
            jumped = each.code(self, mask)
            here += 1
            if jumped is not None:
                self.at = np.where(self.active, np.where(mask, jumped, here), self.at)
                return done
            if here in self.program.starts or here >= end or self.waited_for(here):
                self.at = np.where(self.active, here, self.at)
                return done
        raise MachineError("the program goes on beyond its last instruction")

    def waited_for(self, here):
        return self.program.instructions[here].parts[0] in SYNCHRONOUS and bool(self.waiting.any())

    def meet(self, here, kind):
        """Let threads whose warp or block is not complete wait here; whether none is left to go on."""
        groups = self.active.reshape(-1, self.threads if kind == "bar" else 32)
        late = np.repeat(groups.any(1) & ~groups.all(1), groups.shape[1]) & self.active
        self.waiting |= late
        self.at = np.where(late, here, self.at)
        self.active = self.active & ~late
        return not self.active.any()


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
    return low_bits(value, dtype)


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
            done += Machine(program, values, memory, every[first : first + step], threads, shared, sizes).run()
    return done
