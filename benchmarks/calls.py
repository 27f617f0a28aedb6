"""The package's own calls, each with its inputs made ready: what the arms of ours time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import labelassign as la
from benchmarks.workloads import Problem
from tests.parity.scenes import CODER

Call = Callable[[], Any]


def geometric(assigner: la.Assigner) -> Callable[[Problem], Call]:
    """An assigner that needs no predictions."""

    def ours(problem: Problem) -> Call:
        priors, gt = problem.priors, problem.gt
        return lambda: assigner(priors, gt)

    return ours


def paa(problem: Problem) -> Call:
    """PAA from decoded boxes."""
    priors, gt, mine, assigner = problem.priors, problem.gt, problem.predictions(problem.student), la.PAA.mmdet()
    return lambda: assigner(priors, gt, mine)


def decoding(problem: Problem) -> Call:
    """PAA from deltas: every box is decoded first."""
    priors, gt, (logits, deltas) = problem.priors, problem.gt, (problem.student.logits, problem.student.deltas)
    assigner = la.PAA.mmdet()
    return lambda: assigner(priors, gt, la.Predictions(CODER.decode(priors, deltas), logits))


def lad(problem: Problem) -> Call:
    """PAA, decided by the teacher."""
    priors, gt, theirs = problem.priors, problem.gt, problem.predictions(problem.teacher)
    assigner = la.LAD(la.PAA.mmdet())
    return lambda: assigner(priors, gt, teacher=theirs)


def colad(problem: Problem) -> Call:
    """PAA, decided by Fisher's score for the batch."""
    priors, gt = problem.priors, problem.gt
    mine, theirs = problem.predictions(problem.student), problem.predictions(problem.teacher)
    assigner = la.CoLAD(la.PAA.mmdet(), criterion=la.FisherScore())
    return lambda: assigner(priors, gt, mine, teacher=theirs)


def samples(problem: Problem) -> tuple[Tensor, Tensor]:
    """The costs that PAA fits its mixtures to, `[R, K]` ascending, and how many: rows of at least two samples."""
    mine = problem.predictions(problem.student)
    cost = la.PAA.mmdet()._propose(problem.priors, problem.gt, mine, moments=False).cost.flatten(1).sort(1).values
    count = cost.isfinite().sum(1)
    return cost[count > 1].contiguous(), count[count > 1]


def mixture(problem: Problem) -> Call:
    """Fit the samples, then classify them."""
    (cost, count), gaussians = samples(problem), la.Mixture()

    def call() -> tuple[Any, ...]:
        fit = gaussians.fit(cost, count)
        return fit, *gaussians.classify(cost, count, fit)

    return call


def compiled(call: Call) -> Call:
    """The call inside one graph of torch.compile."""
    torch._dynamo.reset()
    return torch.compile(call, fullgraph=True)
