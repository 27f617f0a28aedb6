"""One process of the data-parallel test of CoLAD: a script, so that any process can start it.

Usage: python colad_replica.py RANK WORLD RENDEZVOUS_FILE OUTPUT_FILE
"""

import sys

import torch
import torch.distributed as dist

import labelassign as la
from tests.scenes import grid, ground_truth, predictions

CRITERIA = {"std_mean": la.StdMean(), "fisher": la.FisherScore(), "mean_cost": la.MeanCost(), "random": la.Random(1)}
COUNTS = {"one without objects": ((3, 4), (0, 0)), "both": ((1, 0), (6, 3)), "nobody": ((0, 0), (0, 0))}


def inputs(counts, rank):
    """Two images; on process 0 the one network is the better one, on process 1 the other."""
    priors = grid()
    networks = [predictions(priors, 2, seed=rank + 7, noise=noise) for noise in (3.0, 14.0)]
    return priors, ground_truth(counts, seed=rank), *(networks if rank else networks[::-1])


def joined(counts):
    """The same two pairs of images as one batch of four."""
    priors, *_ = inputs(counts[0], 0)
    parts = [inputs(c, rank) for rank, c in enumerate(counts)]
    gt = la.GroundTruth.from_list([image for part in parts for image in part[1].to_list()])
    both = [
        la.Predictions(torch.cat([p[i].boxes for p in parts]), torch.cat([p[i].scores for p in parts])) for i in (2, 3)
    ]
    return priors, gt, *both


def assign(criterion, inputs, **options):
    priors, gt, mine, other = inputs
    a = la.CoLAD(la.PAA(), criterion, "batch", **options)(priors, gt, mine, teacher=other, step=4)
    report = {name: value.clone() for name, value in a.diagnostics.items()}
    return {"gt_index": a.gt_index, "normalizer": a.normalizer(reduce=True), **report}


if __name__ == "__main__":
    torch.set_num_threads(1)
    rank, world = int(sys.argv[1]), int(sys.argv[2])
    dist.init_process_group("gloo", init_method=f"file://{sys.argv[3]}", rank=rank, world_size=world)
    result = {
        (name, counts): assign(criterion, inputs(COUNTS[counts][rank], rank), reduce=True)
        for name, criterion in CRITERIA.items()
        for counts in COUNTS
    }
    torch.save(result, sys.argv[4])
    dist.destroy_process_group()
