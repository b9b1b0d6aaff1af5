"""The road from a request to a release or one of its files: for engineers of the project."""

from django.http import Http404

from annotation.access import Role, access_project
from annotation.models import ApiToken, User
from exporters.models import Release, ReleaseFile
from exporters.selectors import latest_release


def access_release(user: User, slug: str, version: str, token: ApiToken | None = None) -> Release:
    """The release called `version` ("latest": the newest frozen one), its project loaded.

    Of several cuts with one name, all but the last of which failed, it is the last.
    """
    project = access_project(user, slug, Role.ENGINEER, token=token)
    if version == "latest":
        release = latest_release(project)
    else:
        release = project.releases.filter(version=version).order_by("-number").first()
    if release is None:
        raise Http404("no such release")
    release.project = project
    return release


def access_release_file(
    user: User, slug: str, version: str, name: str, token: ApiToken | None = None
) -> ReleaseFile:
    """A file of a frozen release."""
    release = access_release(user, slug, version, token)
    file = release.files.filter(name=name).select_related("successor").first()
    if file is None:
        raise Http404("no such file")
    return file
