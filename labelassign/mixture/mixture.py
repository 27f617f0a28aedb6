"""Two Gaussians over the candidate costs of every object."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float, Float64, Int, Int64
from torch import Tensor

from labelassign import checks
from labelassign.ops import mixture as ops
from labelassign.ops.mixture.samples import LARGEST, SMALLEST_REG
from labelassign.structures import MixtureFit

_SAME = "Give one entry per row of costs."


@dataclass(frozen=True, slots=True)
class Mixture:
    """Two Gaussians fitted to the costs of every row at once, by expectation maximisation in float64.

    Weights start at 1/2, means at the lowest and the highest cost, variances at 1. A row stops when its mean
    log-likelihood changed by less than `tol`. The start makes the fit depend on the scale of the costs.
    Equals: scikit-learn 1.9.1 `GaussianMixture` in float64 with these starting values, steps and log-likelihood
    included (tests/ops).   Differs: never raises; collapse and missing convergence are fields of the result.

    Source: Kim and Lee, 2020, arXiv:2007.08103, section 3; starting values as in mmdet 3.3.0 PAAHead.

    Arguments:
        tol: smallest change of the mean log-likelihood, in nats per sample, that goes on. 0 takes all steps.
        max_steps: EM steps at most.
        reg: added to every variance, in squared units of the cost; at least 1e-12.
        normalize: map the costs of each row to 0 … 1 first (equal costs: 0); the fit is in these units.
        data_variance: start both variances at the variance of the row's costs (divided by n) plus `reg`.

    Raises:
        ValueError: an option out of its range.

    Example:
        >>> mixture = la.Mixture()
        >>> costs, count = torch.tensor([[0.1, 0.2, 0.3, 2.1, 2.4], [1.5, 1.5, 0.0, 0.0, 0.0]]), torch.tensor([5, 2])
        >>> fit = mixture.fit(costs, count)
        >>> fit.means.round(decimals=3)
        tensor([[0.2000, 2.2500],
                [1.5000, 1.5000]], dtype=torch.float64)
        >>> component, score = mixture.classify(costs, count, fit)
        >>> component
        tensor([[ 0,  0,  0,  1,  1],
                [ 0,  0, -1, -1, -1]])
    """

    tol: float = 1e-3
    max_steps: int = 100
    reg: float = 1e-6
    normalize: bool = False
    data_variance: bool = False

    def __post_init__(self) -> None:
        checks.positive("Mixture", "tol", self.tol, zero=True)
        checks.positive("Mixture", "max_steps", self.max_steps)
        if not isinstance(self.max_steps, int):
            checks.fail("Mixture", "`max_steps` to be an int", repr(self.max_steps), "Pass a whole number.", TypeError)
        checks.positive("Mixture", "reg", self.reg)
        if not SMALLEST_REG <= self.reg <= LARGEST:
            checks.fail("Mixture", f"`reg` between {SMALLEST_REG} and {LARGEST}", self.reg, "The default is 1e-6.")

    @property
    def options(self) -> tuple[float, int, float, bool, bool]:
        """All of them, as the ops take them."""
        return float(self.tol), self.max_steps, float(self.reg), self.normalize, self.data_variance

    def fit(self, costs: Float[Tensor, "R K"], count: Int[Tensor, " R"]) -> MixtureFit:
        """Fit every row.

        Arguments:
            costs: `[R, K]`, any floating dtype, in any order within a row.
            count: `[R]`, integer: the first `count[r]` entries of row r are samples. What follows is padding of any
                value; an entry that is not finite is no sample either.

        Returns:
            One mixture per row. A row without samples: weights 1/2, means 0, variances 1, log-likelihood 0, 0 steps,
            not converged. `log_likelihood` belongs to the parameters before the last step, as in scikit-learn.

        Raises:
            ValueError, TypeError: shapes or dtypes are wrong.
        """
        check_rows("Mixture.fit", costs, count)
        return MixtureFit(*ops.mixture(costs.detach(), count, *self.options))

    def classify(
        self, costs: Float[Tensor, "R K"], count: Int[Tensor, " R"], fit: MixtureFit
    ) -> tuple[Int64[Tensor, "R K"], Float64[Tensor, "R K"]]:
        """Component (0 low, 1 high, -1 no sample) and log density of the mixture, both `[R, K]`; ties: component 0."""
        check_rows("Mixture.classify", costs, count)
        checks.equal("Mixture.classify", "number of rows", {"costs": len(costs), "fit": len(fit.weights)}, _SAME)
        return ops.classify(costs.detach(), count, fit.weights, fit.means, fit.variances, self.normalize)


def check_rows(who: str, costs: Tensor, count: Tensor) -> None:
    """Check that `costs` and `count` are rows of samples: shapes, dtypes and devices, no values."""
    checks.tensor(who, "costs", costs, ("R", "K"), "floating")
    if not isinstance(count, Tensor) or count.dim() != 1 or count.is_floating_point() or count.is_complex():
        checks.fail(who, "`count` [R] of integers", checks.describe(count), "Give the number of samples of every row.")
    checks.equal(who, "number of rows", {"costs": costs.shape[0], "count": count.shape[0]}, _SAME)
    checks.same_device(who, [("costs", costs), ("count", count)])
