"""One process, or several that `torchrun` started."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel


@dataclass(frozen=True)
class World:
    """This process's number, how many there are, and its device."""

    rank: int = 0
    ranks: int = 1
    device: str = "cpu"

    @property
    def first(self) -> bool:
        """Whether this process writes and prints."""
        return self.rank == 0

    def spread(self, network: nn.Module) -> nn.Module:
        """The network, its gradients averaged over all processes."""
        return DistributedDataParallel(network) if self.ranks > 1 else network

    def wait(self) -> None:
        """Until all are here."""
        if self.ranks > 1:
            torch.distributed.barrier()


@contextmanager
def joined(device: str) -> Generator[World]:
    """The world that `torchrun`'s environment describes, or one process alone."""
    ranks = int(os.environ.get("WORLD_SIZE", "1"))
    if ranks == 1:
        yield World(device=device)
        return
    if device == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    torch.distributed.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield World(torch.distributed.get_rank(), ranks, device)
    finally:
        torch.distributed.destroy_process_group()
