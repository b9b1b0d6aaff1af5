"""Accounts for simulated annotators, on the operator's side. They have no password: nobody signs in as one."""

from datetime import datetime, timedelta

from django.db import transaction

from annotation.audit import record_audit
from annotation.models import Membership, Project, User
from annotation.services.people import add_member, create_token, give_consent

TOKEN_DAYS = 30


def simulated_tokens(
    *, project: Project, count: int, now: datetime, prefix: str = "simulated"
) -> dict[str, str]:
    """{email: new API token} of `count` simulated annotators of `project`; those that are missing are made.

    The memberships are marked as simulated and have agreed to the current consent text. Tokens are limited
    to the project and to reading and annotating, and expire after 30 days.
    """
    tokens = {}
    for number in range(1, count + 1):
        email = f"{prefix}-{number}@{project.slug}.invalid"
        with transaction.atomic():
            user = User.objects.filter(email=email).first()
            if user is None:
                user = User.objects.create_user(email, name=f"Simulated annotator {number}")
                record_audit(project=None, actor=None, action="user.created", obj=user, now=now)
            membership = project.memberships.filter(user=user, role=Membership.Role.ANNOTATOR).first()
            if membership is None:
                membership, _ = add_member(
                    project=project,
                    actor=project.created_by,
                    email=email,
                    role=Membership.Role.ANNOTATOR,
                    now=now,
                    is_simulated=True,
                )
            give_consent(annotator=membership, now=now)
            tokens[email] = create_token(
                user=user,
                now=now,
                name="simulation",
                scopes=["read", "annotate"],
                projects=[project],
                expires_at=now + timedelta(days=TOKEN_DAYS),
            )
    return tokens
