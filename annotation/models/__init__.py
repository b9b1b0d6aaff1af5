"""The tables of the workplace, in the order in which work passes through them."""

from annotation.models.assignment import Assignment, Lease, Pool, PoolPlace
from annotation.models.content import Batch, Completion, Exclusion, GoldAnswer, Item
from annotation.models.judgment import Judgment, Receipt
from annotation.models.operations import AuditEvent, IdempotentCall, Job
from annotation.models.people import ApiToken, Consent, ConsentText, Membership, TrainingTry, User
from annotation.models.projects import Criterion, ExposureLimit, GuidelineVersion, Project, ProtocolVersion

__all__ = [
    "ApiToken",
    "Assignment",
    "AuditEvent",
    "Batch",
    "Completion",
    "Consent",
    "ConsentText",
    "Criterion",
    "Exclusion",
    "ExposureLimit",
    "GoldAnswer",
    "GuidelineVersion",
    "IdempotentCall",
    "Item",
    "Job",
    "Judgment",
    "Lease",
    "Membership",
    "Pool",
    "PoolPlace",
    "Project",
    "ProtocolVersion",
    "Receipt",
    "TrainingTry",
    "User",
]
