"""Memory of the machine: the tensors that a kernel was given, and nothing else.

Every access is checked: inside one tensor, aligned, and not at odds with what another block of the same launch did.
"""

import numpy as np

UINT = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}
NOBODY, ATOMIC = -1, -2


class MachineError(Exception):
    """The program did what it must not do."""


class Memory:
    """Global memory: bytes of tensors on the host, found by address."""

    def __init__(self, tensors):
        spans = {}
        for t in tensors:
            if t.numel():
                size = t.numel() * t.element_size() if t.is_contiguous() else t.untyped_storage().nbytes()
                start = t.data_ptr() if t.is_contiguous() else t.untyped_storage().data_ptr()
                spans[start] = max(spans.get(start, 0), size)
        self.starts = np.array(sorted(spans), np.uint64)
        self.sizes = np.array([spans[int(s)] for s in self.starts], np.uint64)
        self.bytes = [_view(int(s), int(n)) for s, n in zip(self.starts, self.sizes, strict=True)]
        self.writers = [np.full(len(b), NOBODY, np.int32) for b in self.bytes]

    def _parts(self, address, width):
        """Yield for every tensor touched: which lanes touch it, its elements of that width, and at which index."""
        span = np.searchsorted(self.starts, address, "right").astype(np.int64) - 1
        offset = address - self.starts[np.maximum(span, 0)]
        inside = (span >= 0) & (offset + np.uint64(width) <= self.sizes[np.maximum(span, 0)])
        if not inside.all():
            raise MachineError(f"access of {width} bytes outside of every tensor, at {int(address[~inside][0]):#x}")
        if (address % np.uint64(width)).any():
            raise MachineError(f"misaligned access of {width} bytes")
        for number in np.unique(span):
            mine = span == number
            yield mine, number, (offset[mine] // np.uint64(width)).astype(np.int64)

    def _elements(self, number, width):
        whole = len(self.bytes[number]) // width * width
        return self.bytes[number][:whole].view(UINT[width])

    def load(self, address, width, block):
        """Elements at the addresses, for lanes of these blocks."""
        out = np.zeros(len(address), UINT[width])
        for mine, number, index in self._parts(address, width):
            writer = self.writers[number][index * width]
            if ((writer != NOBODY) & (writer != block[mine])).any():
                raise MachineError("a block reads what another block of the same launch writes")
            out[mine] = self._elements(number, width)[index]
        return out

    def store(self, address, values, width, block):
        """Write; two lanes that write different values to one place, in one instruction or two blocks, are an error."""
        for mine, number, index in self._parts(address, width):
            elements, given = self._elements(number, width), values[mine].astype(UINT[width])
            writer = self.writers[number][index * width]
            other = (writer != NOBODY) & (writer != block[mine])
            if (other & (elements[index] != given)).any():
                raise MachineError("two blocks write different values to one place")
            elements[index] = given
            if (elements[index] != given).any():
                raise MachineError("two threads write different values to one place at once")
            self.writers[number][index * width] = block[mine]

    def atomic(self, address, values, combine):
        """Combine values into memory; what was there is not given back."""
        for mine, number, index in self._parts(address, 8):
            writer = self.writers[number][index * 8]
            if ((writer != NOBODY) & (writer != ATOMIC)).any():
                raise MachineError("an atomic operation on what a plain store of the same launch writes")
            combine.at(self._elements(number, 8).view(values.dtype), index, values[mine])
            self.writers[number][index * 8] = ATOMIC


def _view(start, size):
    import ctypes

    return np.frombuffer((ctypes.c_uint8 * size).from_address(start), np.uint8)
