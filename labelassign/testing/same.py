"""Comparing answers."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign.structures import Assignment


def equal(name: str, got: Tensor, want: Tensor) -> None:
    """The tensors are equal bit for bit (a NaN equals a NaN)."""
    assert got.dtype == want.dtype, f"{name}: {got.dtype} instead of {want.dtype}"
    assert got.shape == want.shape, f"{name}: shape {list(got.shape)} instead of {list(want.shape)}"
    differs = (got != want) & ((got == got) | (want == want))
    if bool(differs.any()):
        place = tuple(int(i) for i in differs.nonzero()[0])
        more = int(differs.sum()) - 1
        raise AssertionError(f"{name}{list(place)}: {got[place]} instead of {want[place]} (and {more} more)")


def close(name: str, got: Tensor, want: Tensor) -> None:
    """The tensors are equal, floats up to rounding: the same number may be added up in another order."""
    if not got.is_floating_point():
        equal(name, got, want)
        return
    tolerance = 1e-5 if got.dtype == torch.float32 else 1e-9
    torch.testing.assert_close(
        got, want, rtol=tolerance, atol=tolerance, equal_nan=True, msg=lambda text: f"{name}: {text}"
    )


def same_priors(got: Assignment, want: Assignment, *, index: Tensor | None = None) -> None:
    """Every prior learns the same, with the same weights; `index` replaces what `want` says of the owners."""
    equal("gt_index", got.gt_index, want.gt_index if index is None else index)
    for name in ("quality", "cls_target", "cls_weight", "loc_weight"):
        close(name, getattr(got, name), getattr(want, name))


def same(got: Assignment, want: Assignment, *, exact: bool = False) -> None:
    """The answers agree in everything: decisions bit for bit, floats up to rounding unless `exact`."""
    same_priors(got, want)
    equal("reason", got.reason, want.reason)
    assert sorted(got.diagnostics) == sorted(want.diagnostics), "diagnostics: other names"
    for name, value in want.diagnostics.items():
        close(f"diagnostics[{name!r}]", got.diagnostics[name], value)
    if exact:
        equal("quality", got.quality, want.quality)
        equal("cls_target", got.cls_target, want.cls_target)
