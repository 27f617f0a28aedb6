"""What the Triton path of the whole method does not take: what no path of candidates by centres takes."""

from labelassign.ops.central.limits import refusal

__all__ = ["refusal"]
