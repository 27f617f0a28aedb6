"""The codes of results."""

from __future__ import annotations

from enum import IntEnum

BACKGROUND = -1
IGNORE = -2


class Reason(IntEnum):
    """Why a ground truth has the priors it has.

    Example:
        >>> la.Reason(3).name
        'LOST'
    """

    FINE = 0
    """It owns priors."""
    NO_CANDIDATE = 1
    """No prior met the geometric condition."""
    REJECTED = 2
    """It had candidates; the method kept none of them."""
    LOST = 3
    """All that it would have kept went to other ground truths."""
    IGNORED = 4
    """It is a crowd or ignore region."""
    INVALID = 5
    """Its box or label makes no sense (non-finite, corners out of order, class out of range)."""
    RESCUED = 6
    """It owns priors only because a rule for needy objects gave it some."""
    PADDING = 7
    """The row is padding."""
    NOT_SAMPLED = 8
    """It owned priors, and random sampling left all of them out."""
