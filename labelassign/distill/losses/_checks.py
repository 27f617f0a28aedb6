"""Bad arguments of the losses turned into errors: who, what was expected, what came, what to do."""

from __future__ import annotations

import math

from torch import Tensor

from labelassign.checks import fail, values_visible

# Probabilities a network multiplied together carry rounding; logits mistaken for probabilities lie further out.
_SLACK = 1e-4


def number(who: str, name: str, value: object, *, low: float = 0.0, below: float = math.inf) -> None:
    """Check that `value` is a Python number in [`low`, `below`)."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        fail(who, f"`{name}` to be a number", f"{value!r} ({type(value).__name__})", "Pass a Python float.", TypeError)
    if not low <= value < below:
        fail(who, f"`{name}` in [{low:g}, {below:g})", value, f"Change `{name}`.")


def floats(who: str, name: str, value: object) -> Tensor:
    """Check that `value` is a floating point tensor, and return it as one."""
    if not isinstance(value, Tensor):
        got = f"{type(value).__name__} {value!r}"
        fail(who, f"`{name}` to be a tensor", got, "Convert it with torch.as_tensor.", TypeError)
    if not value.is_floating_point():
        fail(who, f"`{name}` to be floating point", value.dtype, "Call .float() on it.", TypeError)
    return value


def boxes(who: str, name: str, value: object) -> None:
    """Check that `value` is a floating point tensor whose last axis is x1, y1, x2, y2."""
    shape = list(floats(who, name, value).shape)
    if not shape or shape[-1] != 4:
        fail(who, f"`{name}` [..., 4] (x1, y1, x2, y2)", f"shape {shape}", "Decode the boxes first.")


def same(who: str, name: str, value: Tensor, other_name: str, other: Tensor) -> None:
    """Check that both tensors have one shape and one device."""
    if value.shape != other.shape:
        expected = f"`{name}` of the shape of `{other_name}`, {list(other.shape)}"
        fail(who, expected, list(value.shape), "Nothing is broadcast between two networks: expand or reshape it.")
    if value.device != other.device:
        fail(who, f"`{name}` on the device of `{other_name}`, {other.device}", value.device, "Move it with .to().")


def weight(who: str, value: object, student: Tensor) -> None:
    """Check that `value` is a tensor that broadcasts to the student's shape."""
    if not isinstance(value, Tensor):
        got = f"{type(value).__name__} {value!r}"
        fail(who, "`weight` to be a tensor or None", got, "Convert it with torch.as_tensor.", TypeError)
    have, full = list(value.shape), list(student.shape)
    if len(have) > len(full) or any(w not in (1, n) for w, n in zip(have[::-1], full[::-1], strict=False)):
        fail(who, f"`weight` to broadcast to {full}", have, "Add the missing axes, as in weight[..., None].")
    if value.device != student.device:
        fail(who, f"`weight` on {student.device}", value.device, "Move it with .to().")


def probabilities(who: str, name: str, value: Tensor) -> None:
    """Check that the values lie in [0, 1], NaN aside, where looking at values costs no synchronisation."""
    if not values_visible(value):
        return
    outside = (value < -_SLACK) | (value > 1 + _SLACK)
    if bool(outside.any()):
        worst = value.detach()[outside][0].item()
        fail(who, f"`{name}` to hold probabilities in [0, 1]", f"{worst:.6g}", 'If these are logits, say "logits".')
