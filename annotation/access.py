"""The only road from a request to a row. Each function returns the object or raises.

Somebody outside a project gets Http404, the same as for a project that does not exist. A member in
another role gets PermissionDenied with a sentence that names the role it takes.
"""

from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import Http404

from annotation.models import ApiToken, Assignment, Batch, Item, Job, Judgment, Membership, Project, User

Role = Membership.Role


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


def access_annotator(user: User, slug: str, token: ApiToken | None = None) -> Membership:
    """The membership through which `user` judges in the project, its project loaded."""
    membership = (
        Membership.objects.filter(
            project__in=reachable_projects(user, token),
            project__slug=slug,
            user=user,
            is_active=True,
            role=Role.ANNOTATOR,
        )
        .select_related("project", "user")
        .first()
    )
    if membership is None:
        access_project(user, slug, token=token)
        raise PermissionDenied("This takes the role annotator.")
    return membership


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


def access_assignment(user: User, pk: int, token: ApiToken | None = None) -> Assignment:
    """An assignment that `user` holds or once held, so that a late answer still finds its slot."""
    assignment = (
        Assignment.objects.filter(
            pk=pk,
            leases__annotator__user=user,
            leases__annotator__is_active=True,
            batch__project__in=reachable_projects(user, token),
        )
        .select_related("batch__project", "batch__protocol")
        .distinct()
        .first()
    )
    if assignment is None:
        raise Http404("no such assignment")
    return assignment


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
