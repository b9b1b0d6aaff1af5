"""The agreement panel of the project page."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest

from annotation.access import Role, roles_in
from annotation.models import Criterion, Project, User
from annotation.panels import Panel
from comparisons.charts import Axis, Interval, floor_to, interval_on
from comparisons.models import AgreementReport
from comparisons.selectors import latest_agreement

SEES_AGREEMENT = (Role.LEAD, Role.REVIEWER, Role.ENGINEER)
GLYPH_WIDTH = 200.0


@dataclass(frozen=True)
class Glyph:
    """α with its interval on an axis that ends at 1; `chance` is where α = 0 lies. `sentence` says it all."""

    interval: Interval
    chance: float
    right: float
    sentence: str


@dataclass(frozen=True)
class PanelRow:
    """One report; `glyph` is None where `report.reason` stands instead of a number."""

    report: AgreementReport
    criterion: str
    glyph: Glyph | None


def agreement_panel(request: HttpRequest, project: Project) -> Panel | None:
    """Agreement for those who run the project; annotators never see how others judge."""
    if not isinstance(request.user, User):
        return None
    roles = roles_in(request.user, project)
    if not roles & set(SEES_AGREEMENT):
        return None
    reports = latest_agreement(project)
    names = dict(Criterion.objects.filter(protocol__project=project).values_list("key", "name"))
    return Panel(
        title="Agreement",
        template_name="comparisons/agreement_panel.html",
        order=30,
        context={
            "project": project,
            "rows": [PanelRow(r, names.get(r.criterion, r.criterion), glyph_of(r)) for r in reports],
            "computed_at": reports[0].computed_at if reports else None,
            "may_recompute": Role.LEAD in roles or Role.REVIEWER in roles,
        },
    )


def glyph_of(report: AgreementReport) -> Glyph | None:
    """Positions for the drawing, and the same as a sentence for those who do not see it."""
    if report.value is None or report.low is None or report.high is None:
        return None
    axis = Axis(min(0.0, floor_to(report.low, 0.2)), 1.0, GLYPH_WIDTH)
    return Glyph(
        interval=interval_on(axis, report.value, report.low, report.high),
        chance=axis.x(0),
        right=axis.x(1),
        sentence=(
            f"{report.level.capitalize()} alpha {report.value:.2f}, {report.confidence:.0%} interval "
            f"{report.low:.2f} to {report.high:.2f}, from {report.judgments} answers to {report.items} items; "
            "0 is chance, 1 is full agreement."
        ),
    )
