"""The record of fitted mixtures."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor

from labelassign.structures.record import Record


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True, repr=False)
class MixtureFit(Record):
    """Two-component one-dimensional Gaussian mixtures, one per ground truth; failure is data, never an exception.

    Component 0 starts at the lowest cost and is taken as the low one. All values are float64.

    Attributes:
        weights: mixing weights `[G, 2]`.
        means: `[G, 2]`, in units of the cost (0..1 where the fit was told to normalise).
        variances: `[G, 2]`, never below the regularisation.
        log_likelihood: mean log-likelihood per sample `[G]`; 0 for a row without samples.
        steps: EM steps taken `[G]`.
        converged: whether the change fell below the tolerance `[G]`.

    Example:
        >>> fit = la.Mixture().fit(torch.tensor([[0.5, 2.0]]), torch.tensor([2]))
        >>> fit.steps.tolist(), fit.converged.tolist()
        ([8], [True])
    """

    weights: Float[Tensor, "G 2"]
    means: Float[Tensor, "G 2"]
    variances: Float[Tensor, "G 2"]
    log_likelihood: Float[Tensor, " G"]
    steps: Int[Tensor, " G"]
    converged: Bool[Tensor, " G"]
