"""From one instruction to a function of the machine and the mask of threads that take part."""

from functools import reduce

import numpy as np

from tests.kernels.ptx.halves import bf16, halves, setp_halves
from tests.kernels.ptx.memory import UINT, MachineError
from tests.kernels.ptx.numbers import (
    PLAIN,
    TYPES,
    WIDE,
    compare,
    convert,
    fma,
    from_bf16,
    rough_reciprocal,
    shift,
)
from tests.kernels.ptx.program import low_bits, place, registers

ATOMICS = {"add": np.add, "min": np.minimum, "max": np.maximum}
REDUCE = {"add": np.add, "min": np.fmin, "max": np.fmax}
UNKNOWN = {"approx", "full", "f4e", "b4e", "rc8", "ecl", "ecr", "rc16"}  # rough results; other ways to pick bytes
PARAMETERS = 2**62  # where they would lie, one after another: far from all memory


def decode(each, program):
    """The function; MachineError for what this machine does not know."""
    parts, operands = each.parts, each.operands
    known = [p for p in parts if p in TYPES]
    dtype = TYPES[known[-1]] if known else None
    own = globals().get(f"_{parts[0]}")
    if own is not None:
        return own(parts, operands, dtype, program)
    if "f32x2" in parts:
        return _pairs(parts, operands)
    if "bf16" in parts:
        return bf16(parts, operands)
    if not {"f16x2", "bf16x2"}.isdisjoint(parts):
        return halves(parts, operands)
    if parts[0] not in PLAIN or dtype is None or not UNKNOWN.isdisjoint(parts):
        raise MachineError(f"unknown instruction: {each.text}")
    return _plain(parts, operands, dtype)


def _plain(parts, operands, dtype):
    compute, (to, *given) = PLAIN[parts[0]], operands
    if parts[0] in ("min", "max") and len(given) == 3:  # of three numbers, on newer targets
        return lambda m, mask: m.write(to, reduce(compute, (m.read(name, dtype) for name in given)), mask)
    # sub.rn.f32.f16: the first type is that of the result, the second that of the first operand, which fits exactly
    kinds = [TYPES[p] for p in parts if p in TYPES]
    if len(kinds) == 2:
        first = kinds[1]
        return lambda m, mask: m.write(
            to, compute(m.read(given[0], first).astype(kinds[0]), m.read(given[1], kinds[0])), mask
        )
    return lambda m, mask: m.write(to, compute(*(m.read(name, dtype) for name in given)).astype(dtype), mask)


def _pairs(parts, operands):
    compute, (to, *given) = PLAIN[parts[0]], operands

    def run(m, mask):
        pairs = [m.read(name, np.uint64).copy().view(np.float32).reshape(-1, 2) for name in given]
        m.write(to, np.ascontiguousarray(compute(*pairs)).view(np.uint64).reshape(-1), mask)

    return run


def _rcp(parts, operands, dtype, program):
    if parts != ["rcp", "approx", "ftz", "f64"]:
        raise MachineError(f"unknown instruction: {'.'.join(parts)}")
    to, given = operands
    return lambda m, mask: m.write(to, rough_reciprocal(m.read(given, np.float64)), mask)


def _setp(parts, operands, dtype, program):
    to, x, y = operands
    if parts[-1] in ("f16x2", "bf16x2"):
        return setp_halves(parts, operands)
    if "bf16" in parts:
        return lambda m, mask: m.write(
            to, compare(parts[1], from_bf16(m.read(x, np.uint16)), from_bf16(m.read(y, np.uint16))), mask
        )
    return lambda m, mask: m.write(to, compare(parts[1], m.read(x, dtype), m.read(y, dtype)), mask)


def _selp(parts, operands, dtype, program):
    to, yes, no, which = operands
    return lambda m, mask: m.write(to, np.where(m.read(which, np.bool_), m.read(yes, dtype), m.read(no, dtype)), mask)


def _cvt(parts, operands, dtype, program):
    to, given = operands
    if parts[-1] == "bf16":
        wide = TYPES[parts[-2]]
        return lambda m, mask: m.write(to, from_bf16(m.read(given, np.uint16)).astype(wide), mask)
    target = next(TYPES[p] for p in parts if p in TYPES)
    return lambda m, mask: m.write(to, convert(m.read(given, dtype), target, parts), mask)


def _mul(parts, operands, dtype, program):
    if "wide" not in parts:
        return (_pairs if "f32x2" in parts else lambda p, o: _plain(p, o, dtype))(parts, operands)
    to, x, y = operands
    wide = WIDE[dtype]
    return lambda m, mask: m.write(to, m.read(x, dtype).astype(wide) * m.read(y, dtype).astype(wide), mask)


def _mad(parts, operands, dtype, program):
    to, x, y, z = operands
    wide = WIDE[dtype] if "wide" in parts else dtype
    return lambda m, mask: m.write(
        to, m.read(x, dtype).astype(wide) * m.read(y, dtype).astype(wide) + m.read(z, wide), mask
    )


def _fma(parts, operands, dtype, program):
    if dtype is not np.float64:
        raise MachineError(f"fused arithmetic that is not float64: {'.'.join(parts)}")
    to, *given = operands
    return lambda m, mask: m.write(to, fma(*(m.read(name, dtype) for name in given)), mask)


def _shl(parts, operands, dtype, program):
    to, x, count = operands
    return lambda m, mask: m.write(to, shift(m.read(x, dtype), m.read(count, np.uint32), left=True), mask)


def _shr(parts, operands, dtype, program):
    to, x, count = operands
    return lambda m, mask: m.write(to, shift(m.read(x, dtype), m.read(count, np.uint32), left=False), mask)


def _bfe(parts, operands, dtype, program):
    to, x, begin, count = operands

    def run(m, mask):
        ones = (np.uint64(1) << m.read(count, np.uint32).astype(np.uint64)) - np.uint64(1)
        m.write(to, ((m.read(x, dtype) >> m.read(begin, np.uint32)) & ones).astype(dtype), mask)

    return run


def _mov(parts, operands, dtype, program):
    to, given = operands
    if to[0] == "{":
        names, width = registers(to), np.dtype(dtype).itemsize

        def split(m, mask):
            part = width // len(names)
            for k, name in enumerate(names):
                m.write(name, (m.read(given, dtype) >> dtype(8 * part * k)).astype(UINT[part]), mask)

        return split
    if given[0] == "{":
        names, width = registers(given), np.dtype(dtype).itemsize

        def join(m, mask):
            part = width // len(names)
            pieces = [m.read(n, UINT[part]).astype(dtype) << dtype(8 * part * k) for k, n in enumerate(names)]
            m.write(to, np.bitwise_or.reduce(pieces), mask)

        return join
    if given in program.parameters:
        address = np.uint64(PARAMETERS + program.parameters.index(given))
        return lambda m, mask: m.write(to, np.full(m.lanes, address), mask)
    return lambda m, mask: m.write(to, np.array(m.read(given, dtype)), mask)


def _shfl(parts, operands, dtype, program):
    if parts[2] not in ("bfly", "idx") or operands[3] != "31":
        raise MachineError(f"unknown instruction: {'.'.join(parts)}")
    to, given, by = operands[0].split("|")[0], operands[1], operands[2]

    def run(m, mask):
        lane, number = np.arange(m.lanes), m.read(by, np.uint32).astype(np.int64)
        source = lane ^ number if parts[2] == "bfly" else lane & ~31 | number & 31
        if not mask[source[mask]].all():
            raise MachineError("a shuffle reads from a thread that does not take part")
        m.write(to, m.read(given, dtype)[source], mask)

    return run


def _redux(parts, operands, dtype, program):
    to, given = operands[:2]

    def run(m, mask):
        warps = mask.reshape(-1, 32)
        if (warps.any(1) != warps.all(1)).any():
            raise MachineError("a reduction over a warp whose threads do not all take part")
        found = REDUCE[parts[2]].reduce(m.read(given, dtype).reshape(-1, 32), axis=1, dtype=dtype)
        m.write(to, np.repeat(found, 32), mask)

    return run


def _bar(parts, operands, dtype, program):
    def run(m, mask):
        blocks = mask.reshape(-1, m.threads)
        if (blocks.any(1) != blocks.all(1)).any():
            raise MachineError("a barrier that part of a block does not reach")

    return run


def _bra(parts, operands, dtype, program):
    target = program.labels[operands[0]]
    return lambda m, mask: target


def _ret(parts, operands, dtype, program):
    end = len(program.instructions)
    return lambda m, mask: end


def _ld(parts, operands, dtype, program):
    names, (base, offset), width = registers(operands[0]), place(operands[1]), np.dtype(dtype).itemsize
    parts = [part.split("::")[0] for part in parts]
    if parts[1] == "param":
        return lambda m, mask: m.write(names[0], _parameter(m, base, dtype, mask), mask)
    if parts[1] not in ("global", "shared") or not set(parts[2:]) <= {"v2", "v4", *TYPES}:
        raise MachineError(f"unknown load: {'.'.join(parts)}")

    def run(m, mask):
        at = _address(m, base, offset, parts[1])[mask]
        for k, name in enumerate(names):
            found = np.zeros(m.lanes, UINT[width])
            if parts[1] == "shared":
                found[mask] = _shared(m, at + k * width, width, mask)
            elif mask.any():
                found[mask] = m.memory.load(at + np.uint64(k * width), width, m.number[mask])
            m.write(name, found.view(dtype), mask)

    return run


def _parameter(m, base, dtype, mask):
    """A parameter by its name, or by the address that a register holds."""
    if base[0] != "%":
        return np.full(m.lanes, low_bits(m.values[base], dtype))
    every = np.array([low_bits(value, dtype) for value in m.values.values()])
    number = m.read(base, np.uint64).astype(np.int64) - PARAMETERS
    if ((number < 0) | (number >= len(every)))[mask].any():
        raise MachineError("no parameter lies at this address")
    return every[number.clip(0, len(every) - 1)]


def _st(parts, operands, dtype, program):
    (base, offset), width = place(operands[0]), np.dtype(dtype).itemsize
    parts = [part.split("::")[0] for part in parts]
    names = operands[1].strip("{} ").replace(" ", "").split(",")
    if parts[1] not in ("global", "shared") or not set(parts[2:]) <= {"v2", "v4", *TYPES}:
        raise MachineError(f"unknown store: {'.'.join(parts)}")

    def run(m, mask):
        at = _address(m, base, offset, parts[1])[mask]
        for k, name in enumerate(names):
            value = m.read(name, UINT[width])[mask]
            if parts[1] == "shared":
                _shared(m, at + k * width, width, mask, value)
            elif mask.any():
                m.memory.store(at + np.uint64(k * width), value, width, m.number[mask])

    return run


def _atom(parts, operands, dtype, program):
    combine, (base, offset) = ATOMICS[parts[-2]], place(operands[1])

    def run(m, mask):
        if mask.any():
            m.memory.atomic(_address(m, base, offset, "global")[mask], m.read(operands[2], dtype)[mask], combine)

    return run


def _address(m, base, offset, space):
    if space == "shared":
        return m.read(base, np.uint32).astype(np.int64) + offset
    return m.read(base, np.uint64) + np.uint64(offset % 2**64)


def _shared(m, at, width, mask, value=None):
    if ((at < 0) | (at + width > m.size) | (at % width != 0)).any():
        raise MachineError("access outside of the block's shared memory")
    elements, where = m.shared[:, : m.shared.shape[1] // width * width].view(UINT[width]), (m.block[mask], at // width)
    if value is None:
        return elements[where]
    elements[where] = value
    if (elements[where] != value).any():
        raise MachineError("two threads write different values to one place at once")
    return None
