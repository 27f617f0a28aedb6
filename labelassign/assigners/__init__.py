"""The assigners, one file per method."""

from labelassign.assigners.atss import ATSS
from labelassign.assigners.base import Assigner
from labelassign.assigners.cost_based import CostAssigner, Decision
from labelassign.assigners.draft import Draft
from labelassign.assigners.max_iou import MaxIoU
from labelassign.assigners.paa import PAA
from labelassign.assigners.sampling import sample_balanced

__all__ = ["ATSS", "PAA", "Assigner", "CostAssigner", "Decision", "Draft", "MaxIoU", "sample_balanced"]
