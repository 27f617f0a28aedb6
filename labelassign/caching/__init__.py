"""A frozen teacher's assignments, kept on disk and mirrored with their images. Knows records and `Assigner`."""

from labelassign.caching.cache import AssignmentCache
from labelassign.caching.mirror import Mirror

__all__ = ["AssignmentCache", "Mirror"]
