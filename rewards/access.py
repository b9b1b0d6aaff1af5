"""The only road from a request to a reward run."""

from django.http import Http404

from annotation.access import Role, access_project
from annotation.models import ApiToken, User
from rewards.models import RewardRun

SEES_RUNS = (Role.LEAD, Role.ENGINEER)
STARTS_RUNS = (Role.ENGINEER,)


def access_reward_run(user: User, slug: str, pk: int, token: ApiToken | None = None) -> RewardRun:
    """A run of the project `slug`, with release and job. Raises Http404, or PermissionDenied for another role."""
    project = access_project(user, slug, *SEES_RUNS, token=token)
    run = RewardRun.objects.filter(pk=pk, release__project=project).select_related("release", "job").first()
    if run is None:
        raise Http404("no such reward run")
    return run
