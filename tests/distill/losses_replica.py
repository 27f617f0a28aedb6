"""One replica of the data-parallel test of the soft-distillation losses: a script, so that any process can start it.

Usage: python losses_replica.py RANK WORLD RENDEZVOUS_FILE OUTPUT_FILE
"""

import sys

import torch
import torch.distributed as dist

from labelassign.distill.losses import HeadOutputs, SoftDistillation
from labelassign.structures import GroundTruth


def batch():
    """Four images for the replicas to share; only the first two have objects."""
    generator = torch.Generator().manual_seed(5)
    boxes = torch.rand(2, 4, 12, 4, generator=generator) + torch.tensor([0.0, 0, 9, 9])
    scores = torch.randn(2, 4, 12, 3, generator=generator)
    quality = torch.randn(2, 4, 12, generator=generator)
    student, teacher = (HeadOutputs(*parts) for parts in zip(scores, boxes, quality, strict=True))
    objects = [torch.tensor([[0.0, 0, 9, 9], [0, 0, 10, 8]]), torch.tensor([[1.0, 1, 9, 9]])] + [torch.zeros(0, 4)] * 2
    return student, teacher, objects


def part_of(images):
    """The inputs of one replica: these images of the batch, the student as leaves."""
    student, teacher, objects = batch()
    leaves = HeadOutputs(*(field[images].clone().requires_grad_() for field in student))
    mine = objects[images]
    rows = torch.cat(mine)
    offsets = torch.tensor([0, *map(len, mine)]).cumsum(0)
    gt = GroundTruth(rows, torch.zeros(len(rows), dtype=torch.int64), offsets, torch.zeros(len(rows), dtype=torch.bool))
    return leaves, HeadOutputs(*(field[images] for field in teacher)), gt


def measure(images, **options):
    """Losses and gradients of these images."""
    student, teacher, gt = part_of(images)
    losses = SoftDistillation.solad()(student, teacher, gt, **options)
    gradients = torch.autograd.grad(sum(losses.values()), student)
    return {name: loss.detach() for name, loss in losses.items()}, gradients


if __name__ == "__main__":
    torch.set_num_threads(1)
    rank, world = int(sys.argv[1]), int(sys.argv[2])
    dist.init_process_group("gloo", init_method=f"file://{sys.argv[3]}", rank=rank, world_size=world)
    images = slice(2 * rank, 2 * rank + 2)
    alone = [dist.new_group([r]) for r in range(world)][rank]
    result = {
        "shared": measure(images, reduce=True),
        "alone": measure(images, reduce=True, group=alone),
        "not reduced": measure(images),
    }
    torch.save(result, sys.argv[4])
    dist.destroy_process_group()
