"""The reward panel of the project page."""

from __future__ import annotations

from django.http import HttpRequest

from annotation.access import roles_in
from annotation.models import Project, User
from annotation.panels import Panel
from exporters.selectors import latest_release
from rewards.access import SEES_RUNS, STARTS_RUNS
from rewards.charts import NARROW, forest_of
from rewards.models import RewardRun
from rewards.selectors import reward_runs


def reward_panel(request: HttpRequest, project: Project) -> Panel | None:
    """The newest finished run as a plot, and the runs so far, for leads and engineers."""
    if not isinstance(request.user, User):
        return None
    roles = roles_in(request.user, project)
    if not roles & set(SEES_RUNS):
        return None
    runs = reward_runs(project)
    shown = next((run for run in runs if run.finished_at is not None), None)
    return Panel(
        title="Reward model",
        template_name="rewards/panel.html",
        order=70,
        context={
            "project": project,
            "runs": runs[:5],
            "shown": shown,
            "forest": forest_of(shown) if shown else None,
            "narrow": forest_of(shown, NARROW) if shown else None,
            "models": RewardRun.Model.choices,
            "has_release": latest_release(project) is not None,
            "may_start": bool(roles & set(STARTS_RUNS)),
        },
    )
