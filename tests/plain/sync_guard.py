"""A dispatch mode under which waiting for a device is an error, and the ops' own bodies run."""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from labelassign.ops.dispatch import OPS

# what needs a value, or a number of values, on the host
WAITS = {
    "_local_scalar_dense", "_unique2", "bincount", "equal", "is_nonzero", "item", "masked_select", "nonzero",
    "repeat_interleave", "unique_consecutive", "unique_dim",
}  # fmt: skip
# what waits by design, and why: its fake stands in for it, and all around it is under the guard
EXCEPTIONS = {"linear_assignment": "a matching of least cost is searched on the host, for all images at once"}
INDEXES = {"index", "index_put", "index_put_", "_unsafe_index"}


class SyncGuard(TorchDispatchMode):
    """Raises where real code on an accelerator would wait; custom ops run a body of theirs instead of their fake."""

    def __init__(self, body=lambda name: OPS[name].reference):
        super().__init__()
        self.ops, self.body = set(), body

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = func._schema.name.partition("::")[2]
        if func.namespace == "labelassign":
            self.ops.add(name)
            with self:
                body = OPS[name].fake if name in EXCEPTIONS else self.body(name)
                return body(*args, **kwargs)
        tensors = [t for t in tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
        if name in WAITS:
            raise RuntimeError(f"{name} waits for the device")
        if name in INDEXES and any(t is not None and t.dtype in (torch.bool, torch.uint8) for t in args[1]):
            raise RuntimeError("a boolean index waits for the device")
        if len({t.device.type for t in tensors if t.dim()}) > 1:
            raise RuntimeError(f"{func} mixes devices")
        target = kwargs.get("device")
        if target is not None and any(t.device.type != torch.device(target).type for t in tensors):
            raise RuntimeError(f"{func} copies to {target}")
        return func(*args, **kwargs)
