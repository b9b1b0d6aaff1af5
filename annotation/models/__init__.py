"""The tables of the workplace, in the order in which work passes through them."""

from annotation.models.assignment import Assignment, Lease
from annotation.models.content import Batch, Completion, Exclusion, GoldAnswer, Item
from annotation.models.judgment import Judgment, Receipt
from annotation.models.operations import AuditEvent, IdempotentCall, Job
from annotation.models.people import ApiToken, Consent, ConsentText, Membership, User
from annotation.models.projects import Criterion, GuidelineVersion, Project, ProtocolVersion

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
    "GoldAnswer",
    "GuidelineVersion",
    "IdempotentCall",
    "Item",
    "Job",
    "Judgment",
    "Lease",
    "Membership",
    "Project",
    "ProtocolVersion",
    "Receipt",
    "User",
]
