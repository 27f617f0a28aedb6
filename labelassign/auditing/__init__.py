"""Assignments counted over many images, and compared with each other. Knows records only, no assigner."""

from labelassign.auditing.agreement import Agreement, churn
from labelassign.auditing.audit import Audit, audit
from labelassign.auditing.report import AuditReport

__all__ = ["Agreement", "Audit", "AuditReport", "audit", "churn"]
