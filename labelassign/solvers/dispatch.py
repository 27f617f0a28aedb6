"""Which solver runs, and how the packed costs get to it."""

from __future__ import annotations

import importlib
from types import ModuleType

import torch
from torch import Tensor

from labelassign import checks

# name: the module that it needs, the line that installs it
SOLVERS = {
    "scipy": ("scipy.optimize", "pip install 'labelassign[solvers]'"),
    "torch-linear-assignment": ("torch_linear_assignment", "pip install torch-linear-assignment"),
}


def require(who: str, solver: str) -> ModuleType:
    """The module of a named solver.

    Raises:
        ImportError: it is not installed; the message has the line that does it.
    """
    name, line = SOLVERS[solver]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        checks.fail(who, f"the module {name} for solver={solver!r}", error, f"Run: {line}", ImportError)


def linear_assignment(cost: Tensor, offsets: Tensor, groups: int, repeats: int, solver: str) -> Tensor:
    """See `labelassign.solvers`."""
    # imported here: they need NumPy only, and still would be a twentieth of what `import labelassign` takes
    from labelassign.solvers import batched, host

    module, device = require("Hungarian", solver), cost.device
    if solver != "scipy":
        return batched.matched(module.batch_linear_assignment, cost, offsets, groups, repeats)
    here, bounds = (cost, offsets) if device.type == "cpu" else fetched(cost, offsets)
    values = here.double().numpy()  # once, not in every call of the solver
    index = torch.from_numpy(host.matched(module.linear_sum_assignment, values, bounds.tolist(), groups, repeats))
    return index if device.type == "cpu" else index.to(torch.int32).to(device).to(torch.int64)


def fetched(cost: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """Costs and bounds on the host, by one copy: as bit patterns in one tensor."""
    there = torch.cat([cost.view(torch.int32).flatten(), offsets.to(torch.int32)]).cpu()
    costs, bounds = there.split([cost.numel(), offsets.numel()])
    return costs.view(torch.float32).view(cost.shape), bounds
