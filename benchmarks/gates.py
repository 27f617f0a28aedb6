"""Whether two arms give one answer. A comparison that is not green gets no figure.

Paths of ours: every integer equal, floats up to rounding. Peers: every prior equal; where a peer computes in less
precision, a prior may differ if the difference is traced to exactly that, as in tests/parity.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

import labelassign as la
from benchmarks import peers
from benchmarks.peers import Rows
from benchmarks.workloads import Problem
from tests.parity import atss_rule, paa_ties
from tests.parity.scenes import Output, image_rows

_NO_TIE = "nothing is excused"
_FLOATS = ("quality", "cls_target", "cls_weight", "loc_weight")


@dataclass(frozen=True)
class Verdict:
    """How many of `of` priors (or rows) differ, and how many of these are explained by `rule`."""

    differing: int
    explained: int
    of: int
    rule: str

    @property
    def green(self) -> bool:
        """Whether every difference is explained."""
        return self.differing == self.explained


def same_assignment(ours: la.Assignment, other: la.Assignment) -> Verdict:
    """Two paths of ours: owner and reason exactly, floats up to rounding."""
    differs = ours.gt_index != other.gt_index
    for name in _FLOATS:
        mine, theirs = getattr(ours, name), getattr(other, name)
        differs |= ~torch.isclose(mine, theirs, rtol=1e-5, atol=1e-7, equal_nan=True)
    reasons = int((ours.reason != other.reason).sum())
    rule = f"owner and reason exactly, floats within 1e-5; {_NO_TIE}"
    return Verdict(int(differs.sum()) + reasons, 0, differs.numel(), rule)


def same_rows(problem: Problem, ours: la.Assignment, theirs: Rows) -> Verdict:
    """Every prior has the same owner."""
    mine = image_rows(ours)
    differing = sum(int((a != b).sum()) for a, b in zip(mine, theirs, strict=True))
    return Verdict(differing, 0, mine.numel(), f"every prior has the same owner; {_NO_TIE}")


def paa(problem: Problem, output: Output, ours: la.Assignment, theirs: Rows) -> Verdict:
    """The same owners, but for mmdet's mixture in float32: where its answer differs, it must be ours in float64."""
    found = same_rows(problem, ours, theirs)
    explained, mine = 0, image_rows(ours)
    for image, pre in enumerate(peers.pre_assigned(problem)() if found.differing else []):
        wrong = mine[image] != theirs[image]
        if wrong.any():
            explained += _paa_excused(problem, output, pre, image, (mine[image], wrong))
    rule = "same owner; or mmdet's own steps, their mixture in float64 and fed equal costs, give ours up to ties"
    return Verdict(found.differing, explained, found.of, rule)


def _paa_excused(problem: Problem, output: Output, pre: Any, image: int, case: tuple[Tensor, Tensor]) -> int:
    mine, wrong = case
    everything = problem.predictions(output)
    rows = pre.row + problem.gt.offsets[image]
    one = la.Predictions(everything.boxes[image : image + 1], everything.scores[image : image + 1])
    scene = problem.scenes[image]
    alone = la.GroundTruth.from_list([{"boxes": scene.boxes, "labels": scene.labels}])
    cost = la.PAA.mmdet()._pairs(problem.priors, alone, one, rows - problem.gt.offsets[image], pre.prior)[0]
    double = peers.paa_rows([(pre, peers.reassign(problem, pre, cost.double()))])[0]
    ties = paa_ties.differences(pre, cost, mine, double)
    unexplained = [prior for prior, _, reason in ties if reason == paa_ties.UNEXPLAINED]
    return int(wrong.sum()) - int(wrong[unexplained].sum())


def atss(problem: Problem, ours: la.Assignment, theirs: Rows) -> Verdict:
    """The same owners, but where an overlap is within float32 rounding of mmdet's threshold."""
    found, mine = same_rows(problem, ours, theirs), image_rows(ours)
    explained = 0
    for scene, a, b in zip(problem.scenes, mine, theirs, strict=True):
        if not torch.equal(a, b):
            levels = problem.priors.level_sizes
            near = [atss_rule.nearest(problem.priors.boxes, levels, box, 9) for box in scene.boxes]
            explained += int(((a != b) & atss_rule.assign(problem.priors.boxes, scene.boxes, near)[1]).sum())
    rule = "same owner; or an overlap within float32 rounding of mmdet's threshold, a mean and deviation in float32"
    return Verdict(found.differing, explained, found.of, rule)


def mixture(ours: tuple[Any, ...], theirs: list[tuple[Any, Any]], decided: Tensor) -> Verdict:
    """Component and log density of every sample; `decided` is False where two components are equally likely."""
    component, score = ours[1], ours[2]
    differing = explained = 0
    for row, (labels, scores) in enumerate(theirs):
        n = len(labels)
        wrong = torch.from_numpy(labels) != component[row, :n]
        wrong |= ~torch.isclose(torch.from_numpy(scores), score[row, :n], rtol=1e-6, atol=1e-6)
        differing += int(wrong.sum())
        explained += int((wrong & ~decided[row, :n]).sum())
    rule = "component, and log density within 1e-6, of every sample; or both components within 1e-9 of one another"
    return Verdict(differing, explained, int(decided.sum()), rule)


def same_mixture(ours: tuple[Any, ...], other: tuple[Any, ...]) -> Verdict:
    """Two paths of ours: components and steps exactly, floats up to rounding."""
    differs = ours[1] != other[1]
    differs |= ~torch.isclose(ours[2], other[2], rtol=1e-9, atol=1e-9, equal_nan=True)
    steps = int((ours[0].steps != other[0].steps).sum())
    rule = f"component and steps exactly, log density within 1e-9; {_NO_TIE}"
    return Verdict(int(differs.sum()) + steps, 0, differs.numel(), rule)
