"""Label assignment for object detectors: which prior learns which ground truth.

Data enters as small frozen records (`Priors`, `GroundTruth`, `Predictions`), goes through an `Assigner`, and leaves as
an `Assignment`. All boxes are xyxy in pixels.
"""

from typing import TYPE_CHECKING

from labelassign import assigners, geometry
from labelassign.assigners import (
    ATSS,
    LATER,
    PAA,
    Assigner,
    CostAssigner,
    Decision,
    Draft,
    MaxIoU,
    Networks,
    sample_balanced,
)
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

if TYPE_CHECKING:
    from labelassign.assigners import FCOS, DynamicSoftLabel, Hungarian, SimOTA, TaskAligned, Uniform

__version__ = "0.1.0.dev0"
__all__ = [
    "ATSS",
    "BACKGROUND",
    "FCOS",
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
    "DynamicSoftLabel",
    "Explanation",
    "FisherScore",
    "Fixed",
    "FocalIoU",
    "GroundTruth",
    "Hungarian",
    "Indicator",
    "LTRBCoder",
    "MaxIoU",
    "MeanCost",
    "Mixture",
    "MixtureFit",
    "Networks",
    "Predictions",
    "Priors",
    "Random",
    "Reason",
    "Separation",
    "SimOTA",
    "StdMean",
    "Targets",
    "TaskAligned",
    "Uniform",
    "__version__",
    "decode_dfl",
    "decode_ltrb",
    "explain",
    "geometry",
    "sample_balanced",
]


def __getattr__(name: str) -> object:
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = found = getattr(assigners, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
