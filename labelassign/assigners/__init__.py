"""The assigners, one file per method; those that are not the heart of the package are loaded when first named."""

from importlib import import_module
from typing import TYPE_CHECKING

from labelassign.assigners.atss import ATSS
from labelassign.assigners.base import Assigner
from labelassign.assigners.cost_based import CostAssigner, Decision, Networks
from labelassign.assigners.draft import Draft
from labelassign.assigners.max_iou import MaxIoU
from labelassign.assigners.paa import PAA
from labelassign.assigners.sampling import sample_balanced

if TYPE_CHECKING:
    from labelassign.assigners.auto_assign import AutoAssign, CentrePrior
    from labelassign.assigners.dynamic_soft_label import DynamicSoftLabel
    from labelassign.assigners.fcos import FCOS
    from labelassign.assigners.free_anchor import FreeAnchor
    from labelassign.assigners.hungarian import Hungarian
    from labelassign.assigners.ota import OTA
    from labelassign.assigners.rescue import Rescue
    from labelassign.assigners.sim_ota import SimOTA
    from labelassign.assigners.task_aligned import TaskAligned
    from labelassign.assigners.uniform import Uniform
    from labelassign.assigners.warmup import Warmup

__all__ = [
    "ATSS",
    "FCOS",
    "OTA",
    "PAA",
    "Assigner",
    "AutoAssign",
    "CentrePrior",
    "CostAssigner",
    "Decision",
    "Draft",
    "DynamicSoftLabel",
    "FreeAnchor",
    "Hungarian",
    "MaxIoU",
    "Networks",
    "Rescue",
    "SimOTA",
    "TaskAligned",
    "Uniform",
    "Warmup",
    "sample_balanced",
]

LATER = {
    "AutoAssign": "auto_assign",
    "CentrePrior": "auto_assign",
    "DynamicSoftLabel": "dynamic_soft_label",
    "FCOS": "fcos",
    "FreeAnchor": "free_anchor",
    "Hungarian": "hungarian",
    "OTA": "ota",
    "Rescue": "rescue",
    "SimOTA": "sim_ota",
    "TaskAligned": "task_aligned",
    "Uniform": "uniform",
    "Warmup": "warmup",
}


def __getattr__(name: str) -> object:
    if name not in LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{LATER[name]}"), name)
