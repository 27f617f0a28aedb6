"""Models wrapped for several processes: the adapter finds what is inside, and gradients are exchanged as ever."""

import datetime

import pytest
import torch
from torch import distributed, multiprocessing
from torch.nn.parallel import DistributedDataParallel

import labelassign as la
from labelassign.adapters import Handle, Pair
from labelassign.adapters.torchvision import attach
from tests.adapters.networks import images, torchvision_model

ARMS = {"PAA": la.PAA(), "LAD": la.LAD(la.PAA()), "CoLAD": la.CoLAD(la.PAA())}


def made(arm):
    """A model with its assigner, and all that trains."""
    model, teacher = torchvision_model("RetinaNet"), None
    if arm != "PAA":
        torch.manual_seed(5)
        teacher = torchvision_model("RetinaNet")
        with torch.no_grad():
            for weight in teacher.parameters():
                weight.add_(torch.randn_like(weight), alpha=0.01)
    whole = Pair(model, teacher) if arm == "CoLAD" else model
    return whole, model, teacher


def step(rank, folder, arm):
    torch.set_num_threads(1)
    waiting = datetime.timedelta(seconds=120)
    distributed.init_process_group("gloo", f"file://{folder}/meeting", waiting, world_size=2, rank=rank)
    whole, model, teacher = made(arm)
    wrapped = DistributedDataParallel(whole)
    outside = model if arm == "CoLAD" else wrapped
    with attach(outside, ARMS[arm], teacher=teacher) as handle:
        found = sum(wrapped(*images()).values())
        found.backward()
        assert Handle.of(outside) is handle
    torch.save((found.detach(), [weight.grad for weight in whole.parameters()]), f"{folder}/{rank}.pt")
    distributed.barrier()
    distributed.destroy_process_group()


@pytest.mark.parametrize("arm", ARMS)
def test_two_processes_with_the_same_images_learn_what_one_does(arm, tmp_path):
    whole, model, teacher = made(arm)
    with attach(model, ARMS[arm], teacher=teacher):
        wanted = sum(whole(*images()).values())
        wanted.backward()
    multiprocessing.spawn(step, (str(tmp_path), arm), nprocs=2)
    for rank in range(2):
        found, gradients = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(found, wanted.detach(), rtol=0, atol=1e-5)
        for mine, weight in zip(gradients, whole.parameters(), strict=True):
            torch.testing.assert_close(mine, weight.grad, rtol=1e-4, atol=1e-5)
