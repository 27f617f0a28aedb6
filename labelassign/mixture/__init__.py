"""Gaussian mixtures over candidate costs, and the choice of positives by them."""

from labelassign.mixture.mixture import Mixture
from labelassign.mixture.separation import Separation

__all__ = ["Mixture", "Separation"]
