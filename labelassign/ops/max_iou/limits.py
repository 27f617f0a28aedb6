"""What the Triton path of assignment by overlap does not take."""

from __future__ import annotations

from labelassign.ops.match.limits import refusal

__all__ = ["refusal"]
