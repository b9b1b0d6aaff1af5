"""The console: who gets in, what each form does and refuses, and how many queries a page takes."""

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from annotation.jobs import run_claimed
from annotation.models import ApiToken, AuditEvent, Batch, Exclusion, Job, Membership, User
from annotation.panels import Panel, overview_panels
from annotation.services.people import create_token
from annotation.services.returning import sweep_leases
from tests.annotation.browsing import body, signed_in
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db

ROWS = [
    {
        "id": f"row-{n}",
        "prompt": f"Question {n}?",
        "completions": [{"content": "yes"}, {"content": f"no {n}"}],
    }
    for n in range(3)
]
BAD_ROWS = [*ROWS, {"id": "row-3", "prompt": "", "completions": [{"content": "<b>one</b>"}]}]


def upload(rows: list[dict[str, Any]], name: str = "pairs.jsonl") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, b"".join(json.dumps(row).encode() + b"\n" for row in rows))


@pytest.fixture
def world() -> World:
    return make_world(description="Two answers each.")


@pytest.fixture
def lead(world: World) -> Client:
    return signed_in(world.lead)


# Who gets in


def pages(world: World) -> dict[str, str]:
    slug = world.project.slug
    return {
        "project": f"/projects/{slug}",
        "batch": f"/projects/{slug}/batches/1",
        "item": f"/projects/{slug}/batches/1/items/1",
        "members": f"/projects/{slug}/members",
        "batch_new": f"/projects/{slug}/batches/new",
    }


@pytest.mark.parametrize(
    ("role", "allowed"),
    [
        ("lead", {"project", "batch", "item", "members", "batch_new"}),
        ("reviewer", {"project", "batch", "item"}),
        ("engineer", {"project", "batch"}),
        ("annotator", set()),
    ],
)
def test_pages_open_for_their_roles_only(world: World, role: str, allowed: set[str]) -> None:
    world.batch(items=1)
    client = signed_in(world.lead if role == "lead" else world.member(role).user)
    for name, path in pages(world).items():
        assert client.get(path).status_code == (200 if name in allowed else 403), name


def test_pages_of_another_project_do_not_exist(world: World) -> None:
    batch = world.batch(items=1)
    job = Job.objects.create(
        kind="import_batch", key="x", project=world.project, created_by=world.lead, created_at=NOW
    )
    outsider = signed_in(make_world().lead)
    for path in [*pages(world).values(), f"/jobs/{job.pk}"]:
        assert outsider.get(path).status_code == 404, path
    for path in [f"/projects/{world.project.slug}/batches/{batch.number}/close", "/settings/tokens/0/revoke"]:
        assert outsider.post(path).status_code == 404, path
    batch.refresh_from_db()
    assert batch.state == Batch.State.OPEN


def test_strangers_are_sent_to_sign_in(world: World) -> None:
    for path in [*pages(world).values(), "/projects", "/settings"]:
        response = Client().get(path)
        assert response.status_code == 302
        assert response.headers["Location"].startswith("/login?next=/")


def test_what_is_not_there_is_404(world: World, lead: Client) -> None:
    world.batch(items=1)
    base = f"/projects/{world.project.slug}/batches"
    for path in [f"{base}/2", f"{base}/1/items/2", "/jobs/00000000-0000-0000-0000-000000000000"]:
        assert lead.get(path).status_code == 404


# Projects and the project page


def test_projects_are_listed_with_roles_and_true_progress(world: World, lead: Client) -> None:
    world.batch(items=2)
    world.judge(world.member())
    page = body(lead.get("/projects"))
    assert world.project.name in page
    assert re.search(r'data-l="You are">Lead<', page)
    assert re.search(r'1 <span class="subtle">of 6</span>', page)
    assert "in no project yet" in body(signed_in(make_user()).get("/projects"))


def make_user() -> User:
    return User.objects.create_user("nobody@example.org", "x")


def test_an_annotator_sees_no_figures_of_the_project(world: World) -> None:
    world.batch(items=2)
    world.judge(world.member())
    page = body(signed_in(world.member().user).get("/projects"))
    assert world.project.name in page
    assert "of 6" not in page
    assert f'href="/projects/{world.project.slug}"' not in page


def test_an_empty_project_says_what_to_do(world: World, lead: Client) -> None:
    page = body(lead.get(f"/projects/{world.project.slug}"))
    assert "There is nothing to judge yet." in page
    assert f'href="/projects/{world.project.slug}/batches/new"' in page
    assert "Needs attention" not in page


def test_attention_names_what_is_true_and_nothing_else(world: World, lead: Client) -> None:
    batch = world.batch(items=2)
    path = f"/projects/{world.project.slug}"
    assert "Nobody can judge" in body(lead.get(path))
    annotators = [world.member() for _ in range(world.project.exclusion_limit)]
    assert "Needs attention" not in body(lead.get(path))
    item = batch.items.get(number=2)
    for annotator in annotators:
        Exclusion.objects.create(
            item=item, annotator=annotator, reason=Exclusion.Reason.LANGUAGE, created_at=NOW
        )
    assert "1 item of batch 1 waits for review" in body(lead.get(path))
    filtered = body(lead.get(f"{path}/batches/1?show=stuck"))
    assert "Question 1.2?" in filtered
    assert "Question 1.1?" not in filtered


def test_panels_of_higher_rooms_are_shown_in_their_order(
    world: World, lead: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def make(title: str, order: int) -> Callable[..., Panel | None]:
        return lambda request, project: Panel(
            title, "annotation/_batch_state.html", order, {"batch": {"state": "open"}}
        )

    members = {"one": make("Later", 20), "two": make("Sooner", 10), "three": lambda request, project: None}
    monkeypatch.setattr(overview_panels, "_members", members)
    page = body(lead.get(f"/projects/{world.project.slug}"))
    assert page.index(">Sooner</h2>") < page.index(">Later</h2>")


# Import


def test_an_import_is_queued_checked_and_opened(world: World, lead: Client) -> None:
    response = lead.post(
        f"/projects/{world.project.slug}/batches/new",
        {"file": upload(ROWS), "format": "jsonl", "name": "Wave 1", "overlap": 2},
    )
    job = Job.objects.get(kind="import_batch")
    assert response.headers["Location"] == f"/jobs/{job.pk}"
    waiting = body(lead.get(f"/jobs/{job.pk}"))
    assert 'hx-trigger="every 2s"' in waiting
    assert f'<a class="link" href="/jobs/{job.pk}">' in waiting
    assert "Wave 1 is being imported" in body(lead.get(f"/projects/{world.project.slug}"))
    run_claimed(str(job.pk), timezone.now())
    done = body(lead.get(f"/jobs/{job.pk}"))
    assert "3 items imported" in done
    assert "hx-trigger" not in done
    batch = Batch.objects.get()
    assert (batch.name, batch.overlap, batch.state) == ("Wave 1", 2, "open")
    assert f'href="/projects/{world.project.slug}/batches/1"' in done


def test_htmx_gets_only_the_part_that_changes(world: World, lead: Client) -> None:
    lead.post(
        f"/projects/{world.project.slug}/batches/new", {"file": upload(ROWS), "format": "jsonl", "overlap": 1}
    )
    job = Job.objects.get(kind="import_batch")
    fragment = body(lead.get(f"/jobs/{job.pk}", headers={"HX-Request": "true"}))
    assert fragment.startswith('<div class="job" id="job"')
    assert "<html" not in fragment


def test_a_bad_file_is_refused_line_by_line(world: World, lead: Client) -> None:
    path = f"/projects/{world.project.slug}"
    lead.post(
        f"{path}/batches/new", {"file": upload(BAD_ROWS), "format": "jsonl", "name": "Wave 1", "overlap": 1}
    )
    job = Job.objects.get(kind="import_batch")
    run_claimed(str(job.pk), timezone.now())
    page = body(lead.get(f"/jobs/{job.pk}"))
    assert "The file was refused; nothing was stored" in page
    for heading in ("Line", "Field", "Problem", "Value", "Fix"):
        assert f">{heading}</th>" in page
    assert 'data-l="Line">4<' in page
    assert "<b>one</b>" not in page
    assert "Wave 1 was refused" in body(lead.get(path))
    assert "so this batch holds nothing" in body(lead.get(f"{path}/batches/1"))


def test_bad_rows_can_be_left_out_and_a_dry_run_stores_nothing(world: World, lead: Client) -> None:
    path = f"/projects/{world.project.slug}/batches/new"
    fields = {"format": "jsonl", "overlap": 1}
    lead.post(path, fields | {"file": upload(BAD_ROWS), "dry_run": "on"})
    lead.post(path, fields | {"file": upload(BAD_ROWS), "skip_bad_rows": "on"})
    dry, real = Job.objects.filter(kind="import_batch").order_by("created_at")
    for job in (dry, real):
        run_claimed(str(job.pk), timezone.now())
    assert "The file has problems; nothing was stored" in body(lead.get(f"/jobs/{dry.pk}"))
    kept = body(lead.get(f"/jobs/{real.pk}"))
    assert "3 items imported" in kept
    assert "left out" in kept
    assert Batch.objects.get().items.count() == 3


def test_the_same_file_again_is_recognised(world: World, lead: Client) -> None:
    path = f"/projects/{world.project.slug}/batches/new"
    lead.post(path, {"file": upload(ROWS), "format": "jsonl", "overlap": 1})
    response = lead.post(path, {"file": upload(ROWS), "format": "jsonl", "overlap": 1})
    assert response.status_code == 422
    assert "imported as batch 1" in body(response)
    assert Batch.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"file": ""}, "Choose the file to import."),
        ({"overlap": "0"}, "greater than or equal to 1"),
        ({"overlap": ""}, "This field is required."),
        ({"format": "xlsx"}, "not one of the available choices"),
        ({"name": "x" * 121}, "at most 120 characters"),
        ({"name": "a\u202eb"}, "printable"),
    ],
)
def test_an_import_that_does_not_fit_says_why(
    world: World, lead: Client, changes: dict[str, str], sentence: str
) -> None:
    fields: dict[str, Any] = {"file": upload(ROWS), "format": "jsonl", "name": "x", "overlap": "1"}
    response = lead.post(f"/projects/{world.project.slug}/batches/new", fields | changes)
    assert response.status_code == 422
    assert sentence in body(response)
    assert "Nothing was imported." in body(response)
    assert not Job.objects.filter(kind="import_batch").exists()


# Batch and item


def test_a_lead_closes_a_batch_and_others_cannot(world: World, lead: Client) -> None:
    batch = world.batch(items=1)
    path = f"/projects/{world.project.slug}/batches/1"
    for role in ("reviewer", "engineer", "annotator"):
        member = signed_in(world.member(role).user)
        assert member.post(f"{path}/close").status_code == 403
    assert lead.get(f"{path}/close").status_code == 405
    assert "is closed" in body(lead.post(f"{path}/close", follow=True))
    batch.refresh_from_db()
    assert batch.state == Batch.State.CLOSED
    assert "Close batch" not in body(lead.get(path))
    assert AuditEvent.objects.filter(action="batch.closed").count() == 1


def test_a_batch_that_cannot_be_closed_says_why(world: World, lead: Client) -> None:
    world.batch(items=1)
    Batch.objects.update(state=Batch.State.FAILED)
    page = body(lead.post(f"/projects/{world.project.slug}/batches/1/close", follow=True))
    assert "only an open batch can be closed" in page


def test_items_come_fifty_a_page(world: World, lead: Client) -> None:
    world.batch(items=51, overlap=1)
    path = f"/projects/{world.project.slug}/batches/1"
    first, second = body(lead.get(path)), body(lead.get(f"{path}?page=2"))
    assert "1 to 50 of 51" in first
    assert "Question 1.50?" in first
    assert "Question 1.51?" not in first
    assert "51 to 51 of 51" in second
    assert body(lead.get(f"{path}?page=nonsense")).count("1 to 50 of 51") == 1


def test_a_lead_sees_models_and_judgments_with_the_order_of_the_screen_undone(
    world: World, lead: Client
) -> None:
    batch = world.batch(items=1)
    annotators = [world.member(), world.member()]
    for seed, annotator in enumerate(annotators):
        lease = world.lease(annotator, seed=seed)
        first_is_a = lease.display_order[0] == 0
        world.submit(lease, {"preferred": "A" if first_is_a else "B", "strength": 2}, note="<i>why</i>")
    page = body(lead.get(f"/projects/{world.project.slug}/batches/{batch.number}/items/1"))
    assert page.count("A better, 2 of 3") == 2
    assert "model-0" in page
    assert "model-1" in page
    assert "&lt;i&gt;why&lt;/i&gt;" in page
    for annotator in annotators:
        assert annotator.pseudonym in page
        assert annotator.user.email not in page


@pytest.mark.parametrize(
    ("protocol", "answer", "words"),
    [
        ({"kind": "ranking"}, {"ranking": [["A", "B"], ["C"]]}, r" = [ABC] &gt; [ABC]"),
        ({"kind": "rating"}, {"ratings": {label: {"overall": 4} for label in "ABC"}}, "A 4, B 4, C 4"),
        ({"kind": "pairwise", "points": 7}, {"tie": "both_poor"}, "About the same, both poor"),
    ],
)
def test_every_kind_has_words(protocol: dict[str, Any], answer: dict[str, Any], words: str) -> None:
    world = make_world({"overlap": 1, **protocol})
    completions = 2 if protocol["kind"] == "pairwise" else 3
    if protocol["kind"] == "rating":
        criteria = [c.key for c in world.project.protocols.latest("number").criteria.all()]
        answer = {"ratings": {label: dict.fromkeys(criteria, 4) for label in "ABC"}}
    world.batch(items=1, completions=completions)
    world.judge(world.member(), answer)
    page = body(signed_in(world.lead).get(f"/projects/{world.project.slug}/batches/1/items/1"))
    assert re.search(words, page)


def test_a_lead_who_judges_sees_nothing_of_an_item_before_their_own_answer(world: World) -> None:
    world.batch(items=1)
    world.judge(world.member())
    judging = Membership.objects.create(
        project=world.project, user=world.lead, role="annotator", pseudonym="p-lead", created_at=NOW
    )
    client = signed_in(world.lead)
    path = f"/projects/{world.project.slug}/batches/1/items/1"
    hidden = body(client.get(path))
    assert "shown once your own answer is in" in hidden
    for secret in ("model-0", "better", "Answer 0.0"):
        assert secret not in hidden
    world.judge(judging)
    assert "model-0" in body(client.get(path))


def test_an_item_that_was_shown_stays_hidden_until_it_is_answered_or_given_back(world: World) -> None:
    batch = world.batch(items=1)
    judging = Membership.objects.create(
        project=world.project, user=world.lead, role="annotator", pseudonym="p-lead", created_at=NOW
    )
    world.lease(judging)
    Batch.objects.update(state=Batch.State.CLOSED, closed_at=NOW)
    client = signed_in(world.lead)
    path = f"/projects/{world.project.slug}/batches/1/items/1"
    assert "model-0" not in body(client.get(path)), "they hold it"
    sweep_leases(NOW + timedelta(hours=2))
    assert "model-0" not in body(client.get(path)), "it ran out; they may have it open"
    Exclusion.objects.create(
        item=batch.items.get(), annotator=judging, reason=Exclusion.Reason.SKIPPED, created_at=NOW
    )
    assert "model-0" in body(client.get(path)), "given back: what they send now is kept as late"


def test_an_item_opens_to_those_who_judge_when_nobody_will_be_asked_any_more(world: World) -> None:
    world.batch(items=1)
    Membership.objects.create(
        project=world.project, user=world.lead, role="annotator", pseudonym="p-lead", created_at=NOW
    )
    client = signed_in(world.lead)
    path = f"/projects/{world.project.slug}/batches/1/items/1"
    assert "model-0" not in body(client.get(path))
    Batch.objects.update(state=Batch.State.CLOSED, closed_at=NOW)
    assert "model-0" in body(client.get(path))


def test_hostile_text_of_items_stays_text(world: World, lead: Client) -> None:
    batch = world.batch(items=0)
    attack = "<script>alert(1)</script> [x](javascript:alert(1)) <img src=x onerror=alert(1)>"
    world.item(batch, 1, [attack, "fine"], prompt=[{"role": "user", "content": attack}])
    for path in (
        f"/projects/{world.project.slug}/batches/1",
        f"/projects/{world.project.slug}/batches/1/items/1",
    ):
        page = body(lead.get(path))
        assert "&lt;script&gt;" in page
        assert "<script>alert" not in page
        assert not re.search(r"<[^>]* (on\w+|style)=", page)


# Every page


def test_pages_keep_their_number_of_queries_whatever_they_show(world: World, lead: Client) -> None:
    batch = world.batch(items=2)
    paths = [*pages(world).values(), "/projects", "/settings"]

    def queries() -> dict[str, int]:
        counts = {}
        for path in paths:
            lead.get(path)
            with CaptureQueriesContext(connection) as captured:
                assert lead.get(path).status_code == 200
            counts[path] = len(captured)
        return counts

    world.judge(world.member())
    create_token(user=world.lead, now=NOW, name="one")
    before = queries()
    for number in range(3, 20):
        world.item(batch, number, ["yes", f"no {number}"])
    for _ in range(4):
        world.batch(items=3)
        world.judge(world.member())
        create_token(user=world.lead, now=NOW, name="one more")
    after = queries()
    growing = {path for path in paths if after[path] > before[path]}
    # Each judgment of an item has typed answers of its own, so an item's page grows by one query for each.
    assert growing <= {pages(world)["item"]}
    assert max(after.values()) <= 40


@pytest.mark.parametrize("path", ["members", "batches/new", "batches/1/close"])
def test_forms_need_their_csrf_token(world: World, path: str) -> None:
    world.batch(items=1)
    client = Client(enforce_csrf_checks=True)
    client.force_login(world.lead, backend="django.contrib.auth.backends.ModelBackend")
    assert (
        client.post(f"/projects/{world.project.slug}/{path}", {"email": "x@example.org"}).status_code == 403
    )
    assert client.post("/settings/tokens", {"name": "x", "scopes": "read"}).status_code == 403
    assert not ApiToken.objects.exists()


def test_pages_carry_no_inline_style_or_script(world: World, lead: Client) -> None:
    world.batch(items=2)
    world.judge(world.member())
    for path in [*pages(world).values(), "/projects", "/settings"]:
        response = lead.get(path)
        page = body(response)
        assert not re.search(r"<[^>]* (on\w+|style)=", page), path
        assert "<script>" not in page
        assert "no-store" in response.headers["Cache-Control"]
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
