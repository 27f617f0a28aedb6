"""Pictures of assignments, as matplotlib figures (needs `pip install 'labelassign[draw]'`)."""

from labelassign.draw.costs import mixture
from labelassign.draw.dots import assignment

__all__ = ["assignment", "mixture"]
