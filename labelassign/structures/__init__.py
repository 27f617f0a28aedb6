"""The records: frozen data that flows one way through the package."""

from labelassign.structures.assignment import Assignment
from labelassign.structures.candidates import Candidates
from labelassign.structures.ground_truth import GroundTruth
from labelassign.structures.mixture_fit import MixtureFit
from labelassign.structures.pair_weights import PairWeights
from labelassign.structures.predictions import Predictions
from labelassign.structures.priors import Priors
from labelassign.structures.reasons import BACKGROUND, IGNORE, Reason
from labelassign.structures.targets import Targets

__all__ = [
    "BACKGROUND",
    "IGNORE",
    "Assignment",
    "Candidates",
    "GroundTruth",
    "MixtureFit",
    "PairWeights",
    "Predictions",
    "Priors",
    "Reason",
    "Targets",
]
