"""The road to a report; as `annotation.access`."""

from django.http import Http404

from annotation.access import access_project
from annotation.models import Report, User


def access_report(user: User, slug: str, pk: int, *roles: str) -> Report:
    """A report about an item of the project, for members in one of `roles`."""
    project = access_project(user, slug, *roles)
    report = (
        Report.objects.filter(pk=pk, item__project=project)
        .select_related("item__batch", "annotator__project")
        .first()
    )
    if report is None:
        raise Http404("no such report")
    return report
