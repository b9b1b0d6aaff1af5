"""The road from a request to a release or one of its files: for engineers of the project."""

from django.http import Http404

from annotation.access import Role, access_project, refuse_who_still_judges
from annotation.errors import Refused
from annotation.models import ApiToken, Project, User
from exporters.models import Release, ReleaseFile, Webhook, WebhookDelivery
from exporters.selectors import latest_release


def access_release(user: User, slug: str, version: str, token: ApiToken | None = None) -> Release:
    """The release called `version` ("latest": the newest frozen one), its project loaded.

    Of several cuts with one name, all but the last of which failed, it is the last.
    """
    return find_release(access_project(user, slug, Role.ENGINEER, token=token), version)


def find_release(project: Project, version: str) -> Release:
    if version == "latest":
        release = latest_release(project)
    else:
        release = project.releases.filter(version=version).order_by("-number").first()
    if release is None:
        raise Http404("no such release")
    release.project = project
    return release


def access_comparison(
    user: User, slug: str, version: str, other: str, token: ApiToken | None = None
) -> tuple[Release, Release]:
    """Two frozen releases, the earlier first, for somebody who has nothing left to judge: labels will be shown.

    Raises Refused when one is not frozen.
    """
    project = access_project(user, slug, Role.ENGINEER, token=token)
    refuse_who_still_judges(user, project)
    found = [find_release(project, name) for name in (version, other)]
    for release in found:
        if release.state != Release.State.FROZEN:
            raise Refused(
                f"Release {release.version} is not frozen; only frozen releases can be compared.",
                code="not_frozen",
                status=409,
            )
    before, after = sorted(found, key=lambda release: release.number)
    return before, after


def access_release_file(
    user: User, slug: str, version: str, name: str, token: ApiToken | None = None
) -> ReleaseFile:
    """A file of a frozen release, for somebody who has nothing left to judge in the project."""
    release = access_release(user, slug, version, token)
    refuse_who_still_judges(user, release.project)
    file = release.files.filter(name=name).select_related("successor").first()
    if file is None:
        raise Http404("no such file")
    return file


def access_webhook(user: User, slug: str, pk: int) -> Webhook:
    """A webhook of the project that was not removed, for its leads."""
    project = access_project(user, slug, Role.LEAD)
    webhook = project.webhooks.filter(pk=pk, removed_at=None).select_related("project").first()
    if webhook is None:
        raise Http404("no such webhook")
    return webhook


def access_delivery(user: User, slug: str, pk: int) -> WebhookDelivery:
    """A delivery of a webhook of the project, for its leads."""
    project = access_project(user, slug, Role.LEAD)
    found = WebhookDelivery.objects.filter(pk=pk, webhook__project=project)
    delivery = found.select_related("webhook__project").first()
    if delivery is None:
        raise Http404("no such delivery")
    return delivery
