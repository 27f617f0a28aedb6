"""Which samples of a fitted mixture become positives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float, Float64, Int, Int8, Int64
from torch import Tensor

from labelassign import checks
from labelassign.mixture.mixture import check_rows
from labelassign.ops import mixture as ops
from labelassign.ops.mixture.separate import EMPTY_LOW, PREFIX, SCHEMES, SINGLE


@dataclass(frozen=True, slots=True)
class Separation:
    """Turn components and scores into positive, negative and ignored samples.

    The peak of a component is its sample of highest score, the cheapest on ties.

    Source: Kim and Lee, 2020, arXiv:2007.08103, figure 3. Published code has only (c). (a) and (b) are the
    figure's as others describe it; the figure's (d) could not be read, so (d) is our own definition.

    Arguments:
        scheme: "a": component 0 is positive, the rest negative. "b": component 0 is positive up to its peak and ignored
            beyond, the rest negative. "c": component 0 is positive up to its peak, the rest negative. "d": component 0
            is positive; samples of component 1 that cost no more than that component's peak are ignored, the rest
            negative.
        single: a row of one sample: "positive" (Kim and Lee's code) or "drop" (mmdet): negative.
        empty_low: a row of several samples none of which is in component 0: "all" positive (Kim and Lee's code) or
            "none" (mmdet).
        prefix: what "up to its peak" contains under "b" and "c": samples of "component" 0 only (mmdet), or also the
            samples of component 1 "interleaved" with them (Kim and Lee's code).

    Raises:
        ValueError: an option is none of these.

    Example:
        >>> costs, count = torch.tensor([[0.1, 0.2, 0.3, 2.1, 2.4]]), torch.tensor([5])
        >>> mixture = la.Mixture()
        >>> component, score = mixture.classify(costs, count, mixture.fit(costs, count))
        >>> la.Separation()(costs, count, component, score)
        tensor([[1, 1, 0, 0, 0]], dtype=torch.int8)
        >>> la.Separation(scheme="b")(costs, count, component, score)
        tensor([[ 1,  1, -1,  0,  0]], dtype=torch.int8)
    """

    scheme: Literal["a", "b", "c", "d"] = "c"
    single: Literal["positive", "drop"] = "positive"
    empty_low: Literal["all", "none"] = "all"
    prefix: Literal["component", "interleaved"] = "component"

    def __post_init__(self) -> None:
        checks.choice("Separation", "scheme", self.scheme, SCHEMES)
        checks.choice("Separation", "single", self.single, SINGLE)
        checks.choice("Separation", "empty_low", self.empty_low, EMPTY_LOW)
        checks.choice("Separation", "prefix", self.prefix, PREFIX)

    @property
    def options(self) -> tuple[str, str, str, str]:
        """All of them, as the ops take them."""
        return self.scheme, self.single, self.empty_low, self.prefix

    def __call__(
        self,
        costs: Float[Tensor, "R K"],
        count: Int[Tensor, " R"],
        component: Int64[Tensor, "R K"],
        score: Float64[Tensor, "R K"],
    ) -> Int8[Tensor, "R K"]:
        """State of every sample.

        Arguments:
            costs: `[R, K]`, ascending within the samples of a row.
            count: `[R]`: how many entries of a row are samples.
            component: `[R, K]` from `Mixture.classify`.
            score: `[R, K]` from `Mixture.classify`.

        Returns:
            `[R, K]`: 1 positive, 0 negative or padding, -1 ignored.

        Raises:
            ValueError, TypeError: shapes or dtypes are wrong, or (looked at in eager calls on CPU tensors only) the
                costs of a row do not ascend.
        """
        check_rows("Separation", costs, count)
        checks.tensor("Separation", "component", component, ("R", "K"), "int64")
        checks.tensor("Separation", "score", score, ("R", "K"), "float64")
        sizes = {"costs": costs.shape, "component": component.shape, "score": score.shape}
        checks.equal("Separation", "shape", dict(sizes), "All three come from the same rows.")
        if checks.values_visible(costs, count):
            _check_ascending(costs, count)
        scheme, single, empty_low, prefix = self.options
        rules = {"scheme": scheme, "single": single, "empty_low": empty_low, "prefix": prefix}
        return ops.separate(costs, count, component, score, **rules)


def _check_ascending(costs: Tensor, count: Tensor) -> None:
    later = torch.arange(1, costs.shape[1], device=costs.device) if costs.shape[1] else costs.new_zeros(0)
    falls = (costs[:, 1:] < costs[:, :-1]) & (later < count[:, None])
    if bool(falls.any()):
        row, place = (int(i) for i in falls.nonzero()[0])
        got = f"{float(costs[row, place])} before {float(costs[row, place + 1])} in row {row}"
        checks.fail("Separation", "`costs` ascending within each row", got, "Sort the rows before fitting.")
