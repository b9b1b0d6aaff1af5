"""Reads of reports, for leads and reviewers."""

from django.db.models import QuerySet
from django.http import HttpRequest

from annotation.models import Item, Membership, Project, Report, User
from annotation.panels import Panel

SHOWN = 20
HANDLERS = (Membership.Role.LEAD, Membership.Role.REVIEWER)


def open_reports(project: Project) -> QuerySet[Report]:
    """Those nobody has handled yet, oldest first."""
    return (
        Report.objects.filter(item__project=project, state=Report.State.OPEN)
        .select_related("item__batch", "annotator")
        .order_by("created_at", "id")
    )


def item_reports(item: Item) -> QuerySet[Report]:
    """All reports about an item, open ones first, then the newest."""
    return item.reports.select_related("annotator", "completion", "handled_by").order_by(
        "-state", "-created_at", "-id"
    )


def reports_panel(request: HttpRequest, project: Project) -> Panel | None:
    """What waits, on the project's page; notes are read on the item's page, which knows who may see them (I13)."""
    user = request.user
    if (
        not isinstance(user, User)
        or not project.memberships.filter(user=user, role__in=HANDLERS, is_active=True).exists()
    ):
        return None
    rows = list(open_reports(project)[: SHOWN + 1])
    if not rows:
        return None
    return Panel(
        "Open reports",
        "annotation/reports_panel.html",
        order=5,
        context={"rows": rows[:SHOWN], "has_more": len(rows) > SHOWN},
    )
