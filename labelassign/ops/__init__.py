"""The ops: each a folder with the reference that defines it and, beside it, its fast paths."""

from labelassign.ops.dispatch import Explanation, explain

__all__ = ["Explanation", "explain"]
