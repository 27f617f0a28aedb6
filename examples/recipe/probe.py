"""What needs no AP: the assignment of a few images, looked at again and again while a run trains."""

from __future__ import annotations

import numpy as np
import torch

import labelassign as la
from examples.recipe.data import collate
from examples.recipe.deciding import Decider
from examples.recipe.model import look
from examples.recipe.sources import Images
from examples.recipe.state import State

COUNT = 32


class Probe:
    """The first images of the training split, as no run augments them."""

    def __init__(self, images: Images, decide: Decider, seed: int) -> None:
        numbers = range(min(COUNT, len(images)))
        self.batch = collate([(*images.get(i, np.random.default_rng((seed, i))), False) for i in numbers])
        self.decide = decide

    @torch.no_grad()
    def __call__(self, state: State) -> dict[str, float]:
        """How the arm assigns them now; no part of the run's times.

        churn: how far the positives of an object are others than at the last look (1 - Jaccard index, mean);
        overlap: mean IoU of the boxes that the first network predicts at positives;
        positives: per object; without: share of the objects that have none.
        """
        spent = dict(state.spent)
        batch = self.batch.to(str(next(state.networks[0].parameters()).device))
        looked = [look(network, batch.images) for network in state.networks]
        a, _ = self.decide(batch, looked[0][0], [heads for _, heads in looked])
        state.spent = spent
        counts = a.per_gt_count.double()
        found = {
            "overlap": float(a.overlap(looked[0][1].predictions.boxes, batch.gt)[a.positive].mean()),
            "positives": float(counts.mean()),
            "without": float((counts == 0).double().mean()),
        }
        if state.before is not None:
            last = a.with_gt_index(state.before.to(a.gt_index.device), a.reason)
            found["churn"] = float(la.churn(last, a).mean())
        state.before = a.gt_index.cpu()
        return found
