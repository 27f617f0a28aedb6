"""Label assignment for object detectors: which prior learns which ground truth.

Data enters as small frozen records (`Priors`, `GroundTruth`, `Predictions`), goes through an `Assigner`, and leaves as
an `Assignment`. All boxes are xyxy in pixels.
"""

from labelassign import geometry
from labelassign.assigners import ATSS, PAA, Assigner, CostAssigner, Decision, Draft, MaxIoU, sample_balanced
from labelassign.coders import DeltaCoder, DFLCoder, LTRBCoder, decode_dfl, decode_ltrb
from labelassign.costs import FocalIoU
from labelassign.distill.coins import Fixed, Random
from labelassign.distill.colad import CoLAD
from labelassign.distill.criteria import Criterion, Indicator
from labelassign.distill.indicators import FisherScore, MeanCost, StdMean
from labelassign.distill.lad import LAD
from labelassign.mixture import Mixture, Separation
from labelassign.ops import Explanation, explain
from labelassign.structures import (
    BACKGROUND,
    IGNORE,
    Assignment,
    Candidates,
    GroundTruth,
    MixtureFit,
    Predictions,
    Priors,
    Reason,
    Targets,
)

__version__ = "0.1.0.dev0"
__all__ = [
    "ATSS",
    "BACKGROUND",
    "IGNORE",
    "LAD",
    "PAA",
    "Assigner",
    "Assignment",
    "Candidates",
    "CoLAD",
    "CostAssigner",
    "Criterion",
    "DFLCoder",
    "Decision",
    "DeltaCoder",
    "Draft",
    "Explanation",
    "FisherScore",
    "Fixed",
    "FocalIoU",
    "GroundTruth",
    "Indicator",
    "LTRBCoder",
    "MaxIoU",
    "MeanCost",
    "Mixture",
    "MixtureFit",
    "Predictions",
    "Priors",
    "Random",
    "Reason",
    "Separation",
    "StdMean",
    "Targets",
    "__version__",
    "decode_dfl",
    "decode_ltrb",
    "explain",
    "geometry",
    "sample_balanced",
]
