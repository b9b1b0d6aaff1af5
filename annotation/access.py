"""The only road from a request to a row. Each function returns the object or raises.

Somebody outside a project gets Http404, the same as for a project that does not exist. A member in
another role gets PermissionDenied with a sentence that names the role it takes.
"""

from collections.abc import Sequence
from typing import Any, TypeVar
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.http import Http404

from annotation.models import (
    ApiToken,
    Assignment,
    Batch,
    Exclusion,
    Item,
    Job,
    Judgment,
    Lease,
    Membership,
    Project,
    StratumQuestion,
    User,
)
from annotation.selectors import protocol_of
from annotation.statements import Columns, Statement, know, load_side_by_side

Role = Membership.Role
M = TypeVar("M", bound=Model)


def reachable_projects(user: User, token: ApiToken | None = None) -> QuerySet[Project]:
    """Projects in which `user` is an active member, within the limits of `token` when there is one."""
    projects = Project.objects.filter(memberships__user=user, memberships__is_active=True).distinct()
    if token is not None and token.is_limited_to_projects:
        projects = projects.filter(pk__in=token.projects.all())
    return projects


def access_project(user: User, slug: str, *roles: str, token: ApiToken | None = None) -> Project:
    """The project `slug`, for a member in one of `roles` (in any role when none is named)."""
    project = reachable_projects(user, token).filter(slug=slug).first()
    if project is None:
        raise Http404("no such project")
    if roles and not roles_in(user, project) & set(roles):
        raise PermissionDenied(f"This takes the role {' or '.join(roles)} in {project.name}.")
    return project


def roles_in(user: User, project: Project) -> set[str]:
    return set(project.memberships.filter(user=user, is_active=True).values_list("role", flat=True))


ANNOTATOR = Columns(Membership, "id project_id user_id role pseudonym is_active languages skills paused_at")
PROJECT = Columns(Project, "id slug name exclusion_limit daily_cap split_seed")

ANNOTATOR_OF = f"""
    SELECT {ANNOTATOR.of("m")}, {PROJECT.of("p")}
    FROM annotation_membership m JOIN annotation_project p ON p.id = m.project_id
    WHERE m.user_id = {{user}} AND p.slug = {{subject}} AND m.role = 'annotator' AND m.is_active
      AND ({{limit}} IS NULL OR EXISTS (SELECT FROM annotation_apitoken_projects t
                                        WHERE t.apitoken_id = {{limit}} AND t.project_id = p.id))
"""
"""SQL: a person's membership of the project whose slug is {subject}. {limit}: a token that opens only some."""

FIND_ANNOTATOR = Statement(
    "find_annotator",
    ["bigint", "text", "bigint"],  # user, slug, token when it is limited to projects
    ANNOTATOR_OF.format(user="$1", subject="$2", limit="$3"),
)


def access_annotator(user: User, slug: str, token: ApiToken | None = None) -> Membership:
    """The membership through which `user` judges in the project, its project loaded."""
    opened = opened_with(token, Membership)
    if opened is not None and opened.project.slug == slug:
        return opened
    row = FIND_ANNOTATOR.row(user.pk, slug, limit_of(token))
    if row is None:
        access_project(user, slug, token=token)
        raise PermissionDenied("This takes the role annotator.")
    return annotator_from(row, user)


def annotator_from(row: Sequence[Any], user: User) -> Membership:
    annotator: Membership
    annotator, project = load_side_by_side(row, ANNOTATOR, PROJECT)
    know(annotator, user=user, project=project)
    return annotator


def opened_with(token: ApiToken | None, model: type[M]) -> M | None:
    """What this request's sign-in found along with the token (annotation/authentication.py), if it is a `model`."""
    found = token.__dict__.get("opened") if token is not None else None
    return found if isinstance(found, model) else None


def limit_of(token: ApiToken | None) -> int | None:
    """The token's id when it opens only some projects."""
    return token.pk if token is not None and token.is_limited_to_projects else None


def access_batch(user: User, slug: str, number: int, *roles: str, token: ApiToken | None = None) -> Batch:
    project = access_project(user, slug, *roles, token=token)
    batch = project.batches.filter(number=number).select_related("project", "protocol").first()
    if batch is None:
        raise Http404("no such batch")
    return batch


def access_item(user: User, slug: str, batch_number: int, number: int) -> Item:
    """An item, for leads and reviewers; `is_theirs_to_judge` says whether they may see what is known of it."""
    batch = access_batch(user, slug, batch_number, Role.LEAD, Role.REVIEWER)
    item = batch.items.filter(number=number).prefetch_related("completions").first()
    if item is None:
        raise Http404("no such item")
    return item


LEASE = Columns(Lease)
SLOT = Columns(
    Assignment,
    "id item_id batch_id purpose state pool_id position annotator_id attempt expires_at repeats_id",
)
BATCH = Columns(
    Batch,
    "id project_id number name protocol_id state purpose overlap overlap_policy overlap_max lease_seconds pass_share"
    " gold_share repeat_share pay_per_item pay_currency",
)

LEASE_OF = f"""
    SELECT {LEASE.of("l")}, {ANNOTATOR.of("m")}, {PROJECT.of("p")},
           {SLOT.of("a")}, {BATCH.of("b")}
    FROM annotation_lease l
    JOIN annotation_membership m ON m.id = l.annotator_id
    JOIN annotation_project p ON p.id = m.project_id
    JOIN annotation_assignment a ON a.id = l.assignment_id
    JOIN annotation_batch b ON b.id = a.batch_id
    WHERE l.public_id = {{subject}} AND m.user_id = {{user}} AND m.is_active
      AND ({{limit}} IS NULL OR EXISTS (SELECT FROM annotation_apitoken_projects t
                                        WHERE t.apitoken_id = {{limit}} AND t.project_id = p.id))
"""
"""SQL: a person's lease of the public id {subject}, as `ANNOTATOR_OF`."""

FIND_LEASE = Statement(
    "find_lease",
    ["bigint", "bigint", "bigint"],  # user, public id, token when it is limited to projects
    LEASE_OF.format(user="$1", subject="$2", limit="$3"),
)


def access_lease(user: User, public_id: int, token: ApiToken | None = None) -> Lease:
    """A lease that `user` holds or once held, so that a late answer still finds its slot."""
    opened = opened_with(token, Lease)
    if opened is not None and opened.public_id == public_id:
        return opened
    row = FIND_LEASE.row(user.pk, public_id, limit_of(token)) if public_id < 2**63 else None
    if row is None:
        raise Http404("no such assignment")
    return lease_from(row, user)


def lease_from(row: Sequence[Any], user: User) -> Lease:
    lease: Lease
    lease, annotator, project, assignment, batch = load_side_by_side(
        row, LEASE, ANNOTATOR, PROJECT, SLOT, BATCH
    )
    know(lease, assignment=assignment, annotator=annotator)
    know(annotator, user=user, project=project)
    know(assignment, batch=batch)
    know(batch, project=project, protocol=protocol_of(batch.protocol_id))
    return lease


def access_judgment(user: User, pk: int, token: ApiToken | None = None) -> Judgment:
    """A judgment of the person's own."""
    judgment = (
        Judgment.objects.filter(
            pk=pk,
            annotator__user=user,
            annotator__is_active=True,
            batch__project__in=reachable_projects(user, token),
        )
        .select_related("annotator__project", "annotator__user", "batch__protocol", "assignment")
        .first()
    )
    if judgment is None:
        raise Http404("no such judgment")
    return judgment


def access_job(user: User, pk: UUID, token: ApiToken | None = None) -> Job:
    """A job that `user` started, or one of a project that they lead."""
    led = Membership.objects.filter(
        user=user, role=Role.LEAD, is_active=True, project__in=reachable_projects(user, token)
    )
    job = (
        Job.objects.filter(pk=pk)
        .filter(
            Q(created_by=user, project__isnull=True)
            | Q(created_by=user, project__in=reachable_projects(user, token))
            | Q(project__in=led.values("project"))
        )
        .select_related("project")
        .first()
    )
    if job is None:
        raise Http404("no such job")
    return job


def access_own_token(user: User, pk: int) -> ApiToken:
    """A token of the person's own, revoked or not."""
    token = user.api_tokens.filter(pk=pk).first()
    if token is None:
        raise Http404("no such token")
    return token


def access_stratum(user: User, slug: str, pk: int) -> StratumQuestion:
    """A question about themselves that annotators of the project are asked, for its leads."""
    question = access_project(user, slug, Role.LEAD).strata.filter(pk=pk).first()
    if question is None:
        raise Http404("no such question")
    return question


def access_member(
    user: User, slug: str, pseudonym: str, *roles: str, token: ApiToken | None = None
) -> Membership:
    """A membership of the project by its pseudonym, for members in one of `roles`; nobody imported."""
    project = access_project(user, slug, *roles, token=token)
    members = project.memberships.filter(pseudonym=pseudonym, is_imported=False)
    member = members.select_related("project", "user").first()
    if member is None:
        raise Http404("no such member")
    return member


def access_judgment_of_other(
    user: User, slug: str, pk: int, *roles: str, token: ApiToken | None = None
) -> Judgment:
    """A judgment that somebody else gave, for members in one of `roles`. Its author gets PermissionDenied."""
    project = access_project(user, slug, *roles, token=token)
    judgment = (
        Judgment.objects.filter(pk=pk, batch__project=project)
        .select_related("annotator__project", "annotator__user", "batch", "assignment")
        .first()
    )
    if judgment is None:
        raise Http404("no such judgment")
    if judgment.annotator.user_id == user.pk:
        raise PermissionDenied("You gave this answer yourself; another lead or reviewer has to decide on it.")
    return judgment


def refuse_who_still_judges(user: User, project: Project) -> None:
    """Raises PermissionDenied for who would see answers of others before giving their own (I13)."""
    if has_work_left(user, project):
        raise PermissionDenied("You judge in this project yourself; judge what is left for you first.")


def has_work_left(user: User, project: Project) -> bool:
    """Whether `user` also judges here and may yet answer: an item they hold, or one they may be offered (I13)."""
    annotator = Membership.objects.filter(
        project=project, user=user, role=Role.ANNOTATOR, is_active=True
    ).first()
    if annotator is None:
        return False
    slots = Assignment.objects.filter(batch__project=project)
    # What they hold they may still answer, also in a batch that was closed meanwhile.
    if slots.filter(annotator=annotator, state=Assignment.State.LEASED).exists():
        return True
    judged = Judgment.objects.filter(item=OuterRef("item"), annotator=annotator)
    excluded = Exclusion.objects.filter(item=OuterRef("item"), annotator=annotator)
    free = slots.filter(batch__state="open", state__in=[Assignment.State.OPEN, Assignment.State.LEASED])
    return free.filter(~Exists(judged), ~Exists(excluded)).exists()
