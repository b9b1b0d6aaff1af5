"""The releases on the project page."""

from typing import cast

from django.http import HttpRequest

from annotation.access import Role, roles_in
from annotation.models import Project, User
from annotation.panels import Panel
from exporters.selectors import latest_release, releases_of


def releases_panel(request: HttpRequest, project: Project) -> Panel | None:
    """The newest release and the way to the others; for engineers."""
    if Role.ENGINEER not in roles_in(cast(User, request.user), project):
        return None
    context = {
        "project": project,
        "release": latest_release(project),
        "release_count": releases_of(project).count(),
    }
    return Panel(title="Releases", template_name="exporters/panel.html", order=60, context=context)
