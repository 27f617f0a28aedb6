"""What the arithmetic instructions of PTX compute, on NumPy vectors with one entry per thread."""

import numpy as np

TYPES = {
    **{"s8": np.int8, "s16": np.int16, "s32": np.int32, "s64": np.int64},
    **{"u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64},
    **{"b8": np.uint8, "b16": np.uint16, "b32": np.uint32, "b64": np.uint64},
    **{"f16": np.float16, "f32": np.float32, "f64": np.float64, "pred": np.bool_},
}
WIDE = {np.int32: np.int64, np.uint32: np.uint64, np.int16: np.int32, np.uint16: np.uint32}


def from_bf16(bits):
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def fma(x, y, z):
    """float64 through 80 bits: the product of two float64 may lose bits there, by 2^-64 of it."""
    return (x.astype(np.longdouble) * y.astype(np.longdouble) + z.astype(np.longdouble)).astype(x.dtype)


def _signed(choose):
    """Minimum or maximum as PTX has it: a number beats a NaN, and -0 is below +0."""

    def of(x, y):
        found = choose(x, y)
        if found.dtype.kind != "f":
            return found
        zero = (x == 0) & (y == 0)
        return np.where(zero, choose(np.copysign(1, x), np.copysign(1, y)) * found.dtype.type(0), found)

    return of


def shift(x, count, left):
    """Shift by the 32-bit count; all bits and more leave nothing, or the sign."""
    bits = x.dtype.itemsize * 8
    by = np.minimum(count, bits - 1).astype(x.dtype)
    found = x << by if left else x >> by
    empty = (x >> x.dtype.type(bits - 1)) if not left and x.dtype.kind == "i" else np.zeros_like(x)
    return np.where(count >= bits, empty, found)


def picked(low, high, chosen):
    """prmt: four bytes of two words by their numbers; with 8 added their sign alone."""
    pair, found = high.astype(np.uint64) << np.uint64(32) | low.astype(np.uint64), np.zeros_like(low)
    for k in range(4):
        number = chosen >> np.uint32(4 * k)
        byte = (pair >> ((number & np.uint32(7)) * np.uint32(8)).astype(np.uint64)).astype(np.uint8)
        byte = np.where(number & np.uint32(8), (byte.view(np.int8) >> 7).view(np.uint8), byte)
        found |= byte.astype(np.uint32) << np.uint32(8 * k)
    return found


def rough_reciprocal(x):
    """rcp.approx.ftz.f64: the upper half of the bits."""
    return ((1 / x).view(np.uint64) & np.uint64(0xFFFFFFFF00000000)).view(np.float64)


PLAIN = {
    "add": lambda x, y: x + y,
    "sub": lambda x, y: x - y,
    "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y,
    "neg": lambda x: -x,
    "abs": np.abs,
    "min": _signed(np.fmin),
    "max": _signed(np.fmax),
    "and": lambda x, y: x & y,
    "or": lambda x, y: x | y,
    "xor": lambda x, y: x ^ y,
    "not": lambda x: ~x,
    "sqrt": np.sqrt,
    "popc": np.bitwise_count,
    "fma": fma,
    "prmt": picked,
}
_NAN_TOO = {"equ": "eq", "neu": "ne", "ltu": "lt", "leu": "le", "gtu": "gt", "geu": "ge"}
_COMPARE = {
    **{"eq": np.equal, "lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal},
    **{"lo": np.less, "ls": np.less_equal, "hi": np.greater, "hs": np.greater_equal},
}


def compare(how, x, y):
    """setp; without the final u a comparison with a NaN is false, `ne` included."""
    nan = np.isnan(x) | np.isnan(y) if x.dtype.kind == "f" else np.zeros(len(x), bool)
    if how in ("nan", "num"):
        return nan if how == "nan" else ~nan
    if _NAN_TOO.get(how, how) == "ne":
        return (x != y) & ~nan | (nan & (how == "neu"))
    return _COMPARE[_NAN_TOO.get(how, how)](x, y) | (nan & (how in _NAN_TOO))


def convert(x, to, parts):
    """cvt: whole numbers wrap, floats are rounded to nearest even or as the instruction says."""
    if np.issubdtype(to, np.integer) and x.dtype.kind == "f":
        rounding = {"rni": np.rint, "rmi": np.floor, "rpi": np.ceil}
        x = next((rounding[p] for p in parts if p in rounding), np.trunc)(x)
        limits = np.iinfo(to)
        x = np.where(np.isnan(x), 0, np.clip(x, limits.min, limits.max))
    return x.astype(to)
