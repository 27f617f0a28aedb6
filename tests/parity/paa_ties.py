"""Why two PAA implementations may differ on one candidate, or that there is no excuse.

Both take the cheapest nine of each level, fit a mixture to their costs and cut at the sample of highest score. Costs
that are exactly equal leave open which prior is taken, and where among equal scores the cut falls; a sample between two
components that differ by rounding alone may fall to either.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from tests.ops.mixture_problems import scikit_learn
from tests.parity.paa_head import PreAssigned

ROUNDING = 1e-10  # of a log density in float64
UNEXPLAINED = "unexplained"
Finding = tuple[int, int, str]  # prior, row, reason


def differences(pre: PreAssigned, costs: Tensor, ours: Tensor, theirs: Tensor, topk: int = 9) -> list[Finding]:
    """Every prior that differs, its object, and why; `costs` as in `pre.prior`, answers `[N]` in our codes."""
    cost = torch.full((len(ours),), torch.nan, dtype=torch.float64)
    row = torch.full((len(ours),), -1)
    cost[pre.prior], row[pre.prior] = costs.double(), pre.row
    wrong = ours != theirs
    stray = wrong & (
        (row < 0) | (ours.clamp(min=-1) * (ours != row) > 0) | (theirs.clamp(min=-1) * (theirs != row) > 0)
    )
    found = [(int(p), -1, UNEXPLAINED) for p in stray.nonzero()[:, 0]]
    for each in row[wrong & ~stray].unique().tolist():
        mine = row == each
        found += _of_object(each, cost, mine & (ours == each), mine & (theirs == each), _levels(pre, mine), topk)
    return found


def _levels(pre: PreAssigned, mine: Tensor) -> list[Tensor]:
    begin, parts = 0, []
    for level in pre.anchors:
        parts.append(begin + mine[begin : begin + len(level)].nonzero()[:, 0])
        begin += len(level)
    return parts


def _of_object(
    row: int, cost: Tensor, ours: Tensor, theirs: Tensor, levels: list[Tensor], topk: int
) -> Iterator[Finding]:
    listed = torch.cat([cost[part].sort().values[:topk] for part in levels]).sort().values.numpy()
    peer = scikit_learn(listed)
    gap = np.abs(np.subtract(*_log_densities(listed, peer)))
    low = peer.labels == 0
    best = peer.scores[low].max(initial=-np.inf)
    rivals = np.unique(listed[low & (peer.scores >= best - ROUNDING)])
    in_doubt = (gap <= ROUNDING).any() or len(rivals) > 1
    for prior in (ours != theirs).nonzero()[:, 0].tolist():
        same = cost == cost[prior]
        if ours[same].sum() == theirs[same].sum():
            reason = "exchange: equally many of these equal costs are positive"
        elif len(rivals) and cost[prior] == rivals[0] and (listed == rivals[0]).sum() > 1:
            reason = "cut: several samples have the highest score exactly"
        else:
            sample = in_doubt and float(cost[prior]) in listed
            reason = "mixture: components or peaks within rounding" if sample else UNEXPLAINED
        yield prior, row, reason


def _log_densities(x: np.ndarray, peer: object) -> np.ndarray:
    z = (x[:, None] - peer.means) ** 2 / peer.variances
    return (np.log(peer.weights) - 0.5 * np.log(peer.variances) - 0.5 * z).T
