"""Label assignment for object detectors: which prior learns which ground truth.

Data enters as small frozen records (`Priors`, `GroundTruth`, `Predictions`), goes through an `Assigner`, and leaves as
an `Assignment`. Boxes are xyxy in pixels, or rotated.
"""

from importlib import import_module
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
    PairWeights,
    Predictions,
    Priors,
    Reason,
    Targets,
)

if TYPE_CHECKING:
    from labelassign.assigners import (
        FCOS,
        OTA,
        AutoAssign,
        CentrePrior,
        DynamicSoftLabel,
        FreeAnchor,
        Hungarian,
        Rescue,
        SimOTA,
        TaskAligned,
        Uniform,
        Warmup,
    )
    from labelassign.auditing import Agreement, Audit, AuditReport, audit, churn
    from labelassign.caching import AssignmentCache, Mirror

__version__ = "0.1.0.dev0"
__all__ = [
    "ATSS",
    "BACKGROUND",
    "FCOS",
    "IGNORE",
    "LAD",
    "OTA",
    "PAA",
    "Agreement",
    "Assigner",
    "Assignment",
    "AssignmentCache",
    "Audit",
    "AuditReport",
    "AutoAssign",
    "Candidates",
    "CentrePrior",
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
    "FreeAnchor",
    "GroundTruth",
    "Hungarian",
    "Indicator",
    "LTRBCoder",
    "MaxIoU",
    "MeanCost",
    "Mirror",
    "Mixture",
    "MixtureFit",
    "Networks",
    "PairWeights",
    "Predictions",
    "Priors",
    "Random",
    "Reason",
    "Rescue",
    "Separation",
    "SimOTA",
    "StdMean",
    "Targets",
    "TaskAligned",
    "Uniform",
    "Warmup",
    "__version__",
    "audit",
    "churn",
    "decode_dfl",
    "decode_ltrb",
    "explain",
    "geometry",
    "sample_balanced",
]


_ROOMS = {
    **dict.fromkeys(("Agreement", "Audit", "AuditReport", "audit", "churn"), "auditing"),
    **dict.fromkeys(("AssignmentCache", "Mirror"), "caching"),
}


def __getattr__(name: str) -> object:
    if name not in LATER and name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = assigners if name in LATER else import_module(f"labelassign.{_ROOMS[name]}")
    globals()[name] = found = getattr(room, name)
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
