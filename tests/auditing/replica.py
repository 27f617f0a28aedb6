"""One process of the test of audits over ranks: a script, so that any process can start it.

Usage: python replica.py RANK WORLD RENDEZVOUS_FILE OUTPUT_FILE
"""

import sys

import torch
import torch.distributed as dist

import labelassign as la
from tests.scenes import grid, ground_truth, predictions

COUNTS = [[(3, 0), (1, 4)], [(2, 5)], []]  # objects of the images of every batch of every rank; the last one has none


def batches(rank):
    return [(grid(), ground_truth(counts, seed=10 * rank + i)) for i, counts in enumerate(COUNTS[rank])]


def report(ranks):
    return la.audit(
        la.MaxIoU(0.7, low_quality="off"), [batch for rank in ranks for batch in batches(rank)], sizes=(16, 40), keep=4
    )


def agreement(ranks):
    found = la.Agreement(*(torch.tensor(0) for _ in range(6)))
    for priors, gt in (batch for rank in ranks for batch in batches(rank)):
        networks = [predictions(priors, gt.num_images, seed=seed) for seed in (1, 2)]
        found += la.Agreement.between(*(la.PAA()(priors, gt, network) for network in networks))
    return found


if __name__ == "__main__":
    torch.set_num_threads(1)
    rank, world = int(sys.argv[1]), int(sys.argv[2])
    dist.init_process_group("gloo", init_method=f"file://{sys.argv[3]}", rank=rank, world_size=world)
    torch.save([found([rank]).reduce().to_dict() for found in (report, agreement)], sys.argv[4])
    dist.destroy_process_group()
