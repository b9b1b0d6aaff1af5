"""Who may call what: every route × method × person, generated from the URL resolver.

A route without a row fails. A row names the roles that get through; everybody else is measured: a member
in another role gets 403 (404 where the object belongs to one person), somebody from another project 404,
a stranger the sign-in page or 401, a revoked token 401, a token without the scope 403, and a signed-in
browser is nobody to the API.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from annotation.jobs import enqueue_job
from annotation.models import ApiToken, User
from annotation.services.people import create_token, revoke_token
from annotation.services.reports import report_item
from exporters.models import Release, ReleaseFile, WebhookDelivery
from exporters.services.webhooks import add_webhook, announce
from exporters.settings import release_settings
from rewards.models import RewardRun
from tests.comparisons.strata import ask, say
from tests.factories import NOW, World, digest, make_world

LEAD, REVIEWER, ANNOTATOR, ENGINEER, HOLDER = "lead", "reviewer", "annotator", "engineer", "holder"
MEMBERS = {LEAD, REVIEWER, ANNOTATOR, ENGINEER, HOLDER}
JUDGES = {ANNOTATOR, HOLDER}
CONSOLE = {LEAD, REVIEWER, ENGINEER}
OUTSIDER, STRANGER = "outsider", "stranger"
SIGNED_IN = MEMBERS | {OUTSIDER}
ANYONE = SIGNED_IN | {STRANGER}


@dataclass(frozen=True)
class Row:
    """`who` gets through with `method`. `is_own`: to all others the object is not there, members too."""

    method: str
    who: set[str]
    is_own: bool = False


API: dict[str, list[Row]] = {
    "api-projects": [Row("GET", SIGNED_IN), Row("POST", {LEAD, OUTSIDER})],
    "api-project": [Row("GET", MEMBERS)],
    "api-protocols": [Row("POST", {LEAD})],
    "api-guidelines": [Row("POST", {LEAD})],
    "api-members": [Row("GET", {LEAD}), Row("POST", {LEAD})],
    "api-member": [Row("PATCH", {LEAD})],
    "api-limits": [Row("GET", {LEAD}), Row("PUT", {LEAD})],
    "api-batches": [Row("GET", MEMBERS), Row("POST", {LEAD})],
    "api-batch": [Row("GET", MEMBERS)],
    "api-batch-close": [Row("POST", {LEAD})],
    "api-batch-staff": [Row("PUT", {LEAD})],
    "api-batch-overlap": [Row("POST", {LEAD})],
    "api-batch-priorities": [Row("PUT", {LEAD})],
    "api-batch-qualify": [Row("POST", {LEAD})],
    "api-judgment-void": [Row("POST", {LEAD, REVIEWER})],
    "api-lease": [Row("POST", JUDGES)],
    "api-job": [Row("GET", {LEAD}, is_own=True)],
    "api-job-cancel": [Row("POST", {LEAD}, is_own=True)],
    "api-job-retry": [Row("POST", {LEAD}, is_own=True)],
    "api-extend": [Row("POST", {HOLDER}, is_own=True)],
    "api-release-assignment": [Row("POST", {HOLDER}, is_own=True)],
    "api-judgments": [Row("POST", {HOLDER}, is_own=True)],
    "api-undo": [Row("POST", {HOLDER}, is_own=True)],
    "api-corrections": [Row("POST", {HOLDER}, is_own=True)],
    "api-agreement": [Row("GET", CONSOLE)],
    "api-statistics": [Row("GET", CONSOLE)],
    "api-item-statistics": [Row("GET", CONSOLE)],
    "api-releases": [Row("GET", {ENGINEER}), Row("POST", {ENGINEER})],
    "api-release": [Row("GET", {ENGINEER})],
    "api-compare-releases": [Row("GET", {ENGINEER})],
    "api-release-file": [Row("GET", {ENGINEER})],
    "api-judgment-stream": [Row("GET", {REVIEWER, ENGINEER})],
    "api-reward-runs": [Row("GET", {LEAD, ENGINEER}), Row("POST", {ENGINEER})],
    "api-reward-run": [Row("GET", {LEAD, ENGINEER})],
}

PAGES: dict[str, list[Row]] = {
    "home": [Row("GET", SIGNED_IN)],
    "single_keys": [Row("POST", SIGNED_IN)],
    "pay_visibility": [Row("POST", SIGNED_IN)],
    "mail_wish": [Row("POST", SIGNED_IN)],
    "guide": [Row("GET", MEMBERS), Row("POST", JUDGES)],
    "work": [Row("GET", JUDGES)],
    "quality": [Row("GET", JUDGES)],
    "done": [Row("GET", JUDGES)],
    "break": [Row("GET", JUDGES), Row("POST", JUDGES)],
    "about_you": [Row("GET", JUDGES), Row("POST", JUDGES)],
    "task": [Row("GET", JUDGES)],
    "lease": [Row("POST", JUDGES)],
    "spare": [Row("POST", JUDGES)],
    "extend": [Row("POST", {HOLDER}, is_own=True)],
    "assignment": [Row("GET", {HOLDER}, is_own=True)],
    "submit": [Row("POST", {HOLDER}, is_own=True)],
    "release_assignment": [Row("POST", {HOLDER}, is_own=True)],
    "differences": [Row("POST", {HOLDER}, is_own=True)],
    "report": [Row("POST", {HOLDER}, is_own=True)],
    "report_handled": [Row("POST", {LEAD, REVIEWER})],
    "draft": [Row("POST", {HOLDER}, is_own=True)],
    "preview": [Row("POST", {HOLDER}, is_own=True)],
    "correction_preview": [Row("POST", {HOLDER}, is_own=True)],
    "undo": [Row("POST", {HOLDER}, is_own=True)],
    "corrections": [Row("GET", {HOLDER}, is_own=True), Row("POST", {HOLDER}, is_own=True)],
    "projects": [Row("GET", SIGNED_IN)],
    "project": [Row("GET", CONSOLE)],
    "project_new": [Row("GET", {LEAD, OUTSIDER}), Row("POST", {LEAD, OUTSIDER})],
    "protocol": [Row("GET", {LEAD}), Row("POST", {LEAD})],
    "texts": [Row("GET", {LEAD}), Row("POST", {LEAD})],
    "members": [Row("GET", {LEAD}), Row("POST", {LEAD})],
    "batch_new": [Row("GET", {LEAD}), Row("POST", {LEAD})],
    "batch": [Row("GET", CONSOLE)],
    "batch_close": [Row("POST", {LEAD})],
    "batch_overlap": [Row("POST", {LEAD})],
    "batch_staff": [Row("POST", {LEAD})],
    "limits": [Row("GET", {LEAD}), Row("POST", {LEAD})],
    "strata_questions": [Row("GET", {LEAD}), Row("POST", {LEAD})],
    "stratum_drop": [Row("POST", {LEAD})],
    "strata": [Row("GET", CONSOLE)],
    "review": [Row("GET", {LEAD, REVIEWER})],
    "review_item": [Row("GET", {LEAD, REVIEWER}), Row("POST", {LEAD, REVIEWER})],
    "review_decision": [Row("POST", {LEAD, REVIEWER})],
    "member": [Row("GET", {LEAD}), Row("POST", {LEAD})],
    "member_pause": [Row("POST", {LEAD})],
    "member_resume": [Row("POST", {LEAD})],
    "member_qualify": [Row("POST", {LEAD})],
    "item": [Row("GET", {LEAD, REVIEWER})],
    "jobs": [Row("GET", {LEAD})],
    "job": [Row("GET", {LEAD}, is_own=True)],
    "job_cancel": [Row("POST", {LEAD}, is_own=True)],
    "job_retry": [Row("POST", {LEAD}, is_own=True)],
    "settings": [Row("GET", SIGNED_IN), Row("POST", SIGNED_IN)],
    "tokens": [Row("GET", SIGNED_IN), Row("POST", SIGNED_IN)],
    "token_revoke": [Row("POST", {HOLDER}, is_own=True)],
    "recompute_agreement": [Row("POST", {LEAD, REVIEWER})],
    "statistics": [Row("GET", {LEAD, REVIEWER, ENGINEER})],
    "recompute_statistics": [Row("POST", {LEAD, REVIEWER})],
    "releases": [Row("GET", {ENGINEER}), Row("POST", {ENGINEER})],
    "release": [Row("GET", {ENGINEER})],
    "compare_releases": [Row("GET", {ENGINEER})],
    "release_file": [Row("GET", {ENGINEER})],
    "webhooks": [Row("GET", {LEAD}), Row("POST", {LEAD})],
    "webhook_remove": [Row("POST", {LEAD})],
    "delivery_again": [Row("POST", {LEAD})],
    "start_reward_run": [Row("POST", {ENGINEER})],
    "reward_run": [Row("GET", {LEAD, ENGINEER})],
}

OPEN: dict[str, list[Row]] = {
    "alive": [Row("GET", ANYONE)],
    "ready": [Row("GET", ANYONE)],
    "api-schema": [Row("GET", ANYONE)],
    "api-docs": [Row("GET", ANYONE)],
    "login": [Row("GET", ANYONE), Row("POST", ANYONE)],
    "logout": [Row("POST", ANYONE)],
    "theme": [Row("POST", ANYONE)],
    "csp_report": [Row("POST", ANYONE)],
}

# Opened by the instance's own token, which no person has: to everybody the address is not there.
MACHINES: dict[str, list[Row]] = {"metrics": [Row("GET", set(), is_own=True)]}

TABLE = API | PAGES | OPEN | MACHINES
CASES = [pytest.param(name, row, id=f"{row.method} {name}") for name, rows in TABLE.items() for row in rows]


def routes(patterns: list[Any] | None = None) -> Iterator[URLPattern]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns)
        else:
            yield pattern


ROUTES = {route.name or "": route for route in routes()}


def test_every_route_has_a_name_of_its_own_and_a_row() -> None:
    names = [route.name for route in routes()]
    assert None not in names, "a route without a name cannot be measured"
    assert len(names) == len(set(names)), "two routes share a name"
    assert sorted(set(ROUTES) - set(TABLE)) == [], "say who may call these routes"
    assert sorted(set(TABLE) - set(ROUTES)) == [], "these rows name no route"


@dataclass
class People:
    world: World
    users: dict[str, User]
    arguments: dict[str, Any]
    """A value for each argument of a route, all in one project; `pk` by the route's object."""

    def address(self, name: str) -> str:
        arguments = dict(self.arguments)
        if name in (
            "undo",
            "corrections",
            "correction_preview",
            "api-undo",
            "api-corrections",
            "api-judgment-void",
        ):
            arguments["pk"] = arguments["judgment"]
        elif name == "token_revoke":
            arguments["pk"] = arguments["token"]
        elif name == "stratum_drop":
            arguments["pk"] = arguments["stratum"]
        elif name == "report_handled":
            arguments["pk"] = arguments["report"]
        elif name in ("webhook_remove", "delivery_again"):
            arguments["pk"] = arguments["webhook" if name == "webhook_remove" else "delivery"]
        else:
            arguments["pk"] = arguments["assignment"]
        wanted = ROUTES[name].pattern.converters
        return reverse(name, kwargs={key: arguments[key] for key in wanted})


@pytest.fixture
def people(db: None) -> People:
    world = make_world()
    batch = world.batch(items=4)
    users = {role: world.member(role).user for role in (REVIEWER, ANNOTATOR, ENGINEER)}
    holder = world.member()
    judgment = world.judge(holder).body["judgment"]
    lease = world.lease(holder)
    job = enqueue_job(kind="compute_agreement", key="test", project=world.project, actor=world.lead, now=NOW)
    release = frozen_release(world)
    run = RewardRun.objects.create(
        release=release, job=job, model="surface", loss="bradley_terry", seed=0, created_at=NOW
    )
    create_token(user=holder.user, now=NOW, name="own", scopes=["read"])
    delivery = webhook_delivery(world)
    say(holder, stratum := ask(world), 1)
    report = report_item(annotator=holder, item=lease.assignment.item, reason="broken", now=NOW)
    return People(
        world=world,
        users=users | {LEAD: world.lead, HOLDER: holder.user, OUTSIDER: make_world().lead},
        arguments={
            "slug": world.project.slug,
            "number": batch.number,
            "item_number": 1,
            "job_id": job.pk,
            "assignment": lease.public_id,
            "judgment": judgment,
            "pseudonym": holder.pseudonym,
            "token": ApiToken.objects.get(user=holder.user).pk,
            "version": release.version,
            "other": release.version,
            "name": "SHA256SUMS",
            "run": run.pk,
            "report": report.pk,
            "stratum": stratum.pk,
            "webhook": delivery.webhook_id,
            "delivery": delivery.pk,
        },
    )


def webhook_delivery(world: World) -> WebhookDelivery:
    webhook, _ = add_webhook(
        project=world.project,
        actor=world.lead,
        url="https://example.org/hook",
        events=["release.frozen"],
        now=NOW,
    )
    announce(world.project, "release.frozen", {}, NOW)
    return WebhookDelivery.objects.get(webhook=webhook)


def frozen_release(world: World) -> Release:
    """A release with one file. A real cut needs a transaction of its own, and each test has one already."""
    release = Release.objects.create(
        project=world.project,
        number=1,
        version="1",
        settings=release_settings({}).as_json(),
        manifest={"rows": 0, "splits": {"train": {"rows": 0, "prompts": 0}}},
        created_at=NOW,
        created_by=world.lead,
    )
    content = b"0000  nothing\n"
    ReleaseFile.objects.create(
        release=release,
        name="SHA256SUMS",
        format="preference",
        size=len(content),
        sha256=digest("nothing"),
        storage_name=default_storage.save("releases/test", ContentFile(content)),
    )
    release.state, release.frozen_at = "frozen", NOW
    release.save(update_fields=["state", "frozen_at"])
    return release


def call(client: Client, name: str, method: str, address: str, **headers: str) -> Any:
    is_json = name in API or name == "csp_report"
    if method == "GET":
        return client.get(address, headers=headers)
    if name == "api-batches":
        return client.post(address, headers=headers)
    if is_json:
        return client.generic(
            method, address, json.dumps({}), content_type="application/json", headers=headers
        )
    return client.post(address, headers=headers)


def gets_through(response: Any) -> bool:
    is_sign_in = response.status_code == 302 and response["Location"].startswith("/login?")
    return response.status_code not in (401, 403, 404, 405) and response.status_code < 500 and not is_sign_in


def page_client(user: User | None) -> Client:
    client = Client()
    if user is not None:
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.mark.parametrize(("name", "row"), CASES)
def test_who_gets_through(people: People, name: str, row: Row) -> None:
    """Those who are refused first, so that nobody's success changes what they see."""
    address = people.address(name)
    for person in sorted(ANYONE, key=lambda person: (person in row.who, person)):
        user = people.users.get(person)
        if name in API:
            token = create_token(user=user, now=NOW, name="test") if user else ""
            response = call(Client(), name, row.method, address, **bearer(token))
        else:
            response = call(page_client(user), name, row.method, address)
        said = f"{person}: {response.status_code}"
        if person in row.who:
            assert gets_through(response), said
        elif name in MACHINES:
            assert response.status_code == 404, said
        elif person == STRANGER:
            assert response.status_code == 401 if name in API else "/login" in response["Location"], said
        elif person == OUTSIDER or row.is_own:
            assert response.status_code == 404, said
        else:
            assert response.status_code == 403, said


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"} if token else {}


@pytest.mark.parametrize(("name", "row"), [case for case in CASES if case.values[0] in API])
def test_tokens_that_open_nothing(people: People, name: str, row: Row) -> None:
    """Revoked, without the scope, limited to another project, or a browser's session instead of one."""
    user, address = people.users[sorted(row.who & people.users.keys())[0]], people.address(name)
    revoked = create_token(user=user, now=NOW, name="revoked")
    revoke_token(token=ApiToken.objects.get(user=user, name="revoked"), actor=user, now=NOW)
    assert call(Client(), name, row.method, address, **bearer(revoked)).status_code == 401
    needed = "read" if row.method == "GET" else "annotate" if "annotate" in scopes(name) else "manage"
    others = [scope for scope in ("read", "annotate", "manage") if scope != needed]
    narrow = create_token(user=user, now=NOW, name="narrow", scopes=others)
    assert call(Client(), name, row.method, address, **bearer(narrow)).status_code == 403
    assert call(page_client(user), name, row.method, address).status_code == 401
    if name != "api-projects":
        elsewhere = create_token(user=user, now=NOW, name="elsewhere", projects=[make_world().project])
        assert call(Client(), name, row.method, address, **bearer(elsewhere)).status_code == 404


def scopes(name: str) -> set[str]:
    return set(getattr(ROUTES[name].callback, "cls").scopes.values())  # noqa: B009  (set by as_view)


FORMS = sorted(
    name
    for name, rows in TABLE.items()
    if name not in API and name != "csp_report" and any(row.method == "POST" for row in rows)
)


@pytest.mark.parametrize("name", FORMS)
def test_no_page_changes_anything_without_its_csrf_token(people: People, name: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.users[HOLDER], backend="django.contrib.auth.backends.ModelBackend")
    assert client.post(people.address(name)).status_code == 403


@pytest.mark.parametrize("name", sorted(TABLE))
def test_a_method_without_a_row_is_not_allowed(people: People, name: str) -> None:
    known = {row.method for row in TABLE[name]}
    for method in {"GET", "POST", "PUT", "PATCH", "DELETE"} - known:
        user = people.users[LEAD if name in API else HOLDER]
        headers = bearer(create_token(user=user, now=NOW, name=method)) if name in API else {}
        client = Client() if name in API else page_client(user)
        response = client.generic(method, people.address(name), headers=headers)
        assert response.status_code in (403, 404, 405), (method, response.status_code)
