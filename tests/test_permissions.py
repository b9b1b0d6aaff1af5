"""Who may call what: every route × method × person, generated from the URL resolver.

A route without a row fails. `ALLOWED` names the roles that get through; everybody else is measured:
a member in another role gets 403 (404 where the row belongs to one person), somebody from another
project 404, a stranger the sign-in page or 401, and a revoked token 401.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from rewards.models import RewardRun

from annotation.jobs import enqueue_job
from annotation.models import Membership, User
from exporters.models import Release
from tests.factories import NOW, World, make_world

LEAD, REVIEWER, ANNOTATOR, ENGINEER = "lead", "reviewer", "annotator", "engineer"
MEMBERS = {LEAD, REVIEWER, ANNOTATOR, ENGINEER}
HOLDER = {"holder"}
ANYONE = {"anyone"}
SIGNED_IN = {"signed in"}


@dataclass(frozen=True)
class Row:
    """`who` may call the route with `method`: roles of the project, the holder, anyone, or who signed in."""

    method: str
    who: set[str]
    body: dict[str, Any] = field(default_factory=dict)


PUBLIC = [Row("GET", ANYONE)]

API: dict[str, list[Row]] = {
    "api-projects": [Row("GET", SIGNED_IN), Row("POST", SIGNED_IN)],
    "api-project": [Row("GET", MEMBERS)],
    "api-protocols": [Row("POST", {LEAD})],
    "api-guidelines": [Row("POST", {LEAD})],
    "api-members": [Row("POST", {LEAD})],
    "api-batches": [Row("GET", MEMBERS), Row("POST", {LEAD})],
    "api-batch": [Row("GET", MEMBERS)],
    "api-batch-close": [Row("POST", {LEAD})],
    "api-lease": [Row("POST", {ANNOTATOR})],
    "api-job": [Row("GET", {LEAD})],
    "api-extend": [Row("POST", HOLDER)],
    "api-release": [Row("POST", HOLDER, {"reason": "nonsense"})],
    "api-judgments": [Row("POST", HOLDER)],
    "api-undo": [Row("POST", HOLDER)],
    "api-corrections": [Row("POST", HOLDER)],
}

PAGES: dict[str, list[Row]] = {
    "home": [Row("GET", SIGNED_IN)],
    "theme": [Row("POST", ANYONE)],
    "single_keys": [Row("POST", SIGNED_IN)],
    "guide": [Row("GET", {ANNOTATOR}), Row("POST", {ANNOTATOR})],
    "work": [Row("GET", {ANNOTATOR})],
    "done": [Row("GET", {ANNOTATOR})],
    "task": [Row("GET", {ANNOTATOR})],
    "lease": [Row("POST", {ANNOTATOR})],
    "assignment": [Row("GET", HOLDER)],
    "submit": [Row("POST", HOLDER)],
    "release": [Row("POST", HOLDER)],
    "undo": [Row("POST", HOLDER)],
    "corrections": [Row("POST", HOLDER)],
}

OPEN: dict[str, list[Row]] = {
    "alive": PUBLIC,
    "ready": PUBLIC,
    "api-schema": PUBLIC,
    "api-docs": PUBLIC,
    "login": PUBLIC,
    "logout": [Row("POST", ANYONE)],
    "csp_report": [Row("POST", ANYONE)],
}

ALLOWED = API | PAGES | OPEN


def routes(patterns: list[Any] | None = None) -> Iterator[URLPattern]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns)
        else:
            yield pattern


def test_every_route_has_a_name_and_a_row() -> None:
    names = [route.name for route in routes()]
    assert None not in names, "a route without a name cannot be measured"
    assert sorted(set(filter(None, names)) - set(ALLOWED)) == [], "say who may call these routes"
    assert sorted(set(ALLOWED) - set(names)) == [], "these rows name no route"


@dataclass
class People:
    world: World
    users: dict[str, User]
    arguments: dict[str, Any]
    """Values for the arguments of every route, all of one project."""


@pytest.fixture
def people(db: None) -> People:
    world = make_world()
    batch = world.batch(items=3)
    members: dict[str, Membership] = {role: world.member(role) for role in (REVIEWER, ANNOTATOR, ENGINEER)}
    holder = world.member()
    judgment = world.judge(holder).body["judgment"]
    lease = world.lease(holder)
    job = enqueue_job(kind="compute_agreement", key="test", project=world.project, actor=world.lead, now=NOW)
    release = Release.objects.create(**release_fields(world))
    run = RewardRun.objects.create(**run_fields(world, release))
    users = {role: member.user for role, member in members.items()}
    users |= {LEAD: world.lead, "holder": holder.user, "outsider": make_world().lead}
    return People(
        world=world,
        users=users,
        arguments={
            "slug": world.project.slug,
            "number": batch.number,
            "job_id": job.pk,
            "assignment": lease.assignment_id,
            "judgment": judgment,
            "release": release,
            "run": run.pk,
        },
    )
