"""Outside detectors that train with any assigner: one module per library, which is imported by nobody else.

Every module has the same three verbs: `to_…` and `from_…` between its library's encoding and `Assignment`, and
`attach(model, assigner, *, teacher=None)`, which changes one model and gives a `Handle` that puts it back.
"""

from __future__ import annotations

from labelassign.adapters.handle import Handle
from labelassign.adapters.teaching import Pair

__all__ = ["Handle", "Pair"]
