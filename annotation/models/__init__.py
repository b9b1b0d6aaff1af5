"""The tables of the workplace, in the order in which work passes through them."""

from annotation.models.assignment import Assignment, Lease, Pool, PoolPlace
from annotation.models.content import Batch, Completion, Exclusion, GoldAnswer, Item
from annotation.models.drafts import Draft
from annotation.models.judgment import Judgment, Receipt
from annotation.models.operations import AuditEvent, IdempotentCall, Job
from annotation.models.origins import Origin
from annotation.models.people import (
    ApiToken,
    Consent,
    ConsentText,
    GuideReading,
    Membership,
    TrainingTry,
    User,
)
from annotation.models.projects import Criterion, ExposureLimit, GuidelineVersion, Project, ProtocolVersion
from annotation.models.reports import Report, ViewUse
from annotation.models.strata import StratumAnswer, StratumQuestion

__all__ = [
    "ApiToken",
    "Assignment",
    "AuditEvent",
    "Batch",
    "Completion",
    "Consent",
    "ConsentText",
    "Criterion",
    "Draft",
    "Exclusion",
    "ExposureLimit",
    "GoldAnswer",
    "GuideReading",
    "GuidelineVersion",
    "IdempotentCall",
    "Item",
    "Job",
    "Judgment",
    "Lease",
    "Membership",
    "Origin",
    "Pool",
    "PoolPlace",
    "Project",
    "ProtocolVersion",
    "Receipt",
    "Report",
    "StratumAnswer",
    "StratumQuestion",
    "TrainingTry",
    "User",
    "ViewUse",
]
