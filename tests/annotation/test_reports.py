"""Reports about items: who sends them and how often, what stays as it is, and who closes them."""

import re

import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.utils import timezone

from annotation.models import Assignment, AuditEvent, Judgment, Lease, Membership, Report
from annotation.services.judgments import Submission, submit_judgment
from annotation.services.reports import NOTE_MAX, REPORTS_MAX, report_item
from annotation.services.voiding import void_judgment
from tests.annotation.browsing import signed_in
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> World:
    world = make_world()
    world.now = timezone.now()
    world.batch(2)
    return world


@pytest.fixture
def annotator(world: World) -> Membership:
    return world.member()


@pytest.fixture
def lease(world: World, annotator: Membership) -> Lease:
    return world.lease(annotator)


@pytest.fixture
def client(annotator: Membership) -> Client:
    return signed_in(annotator.user)


def address(lease: Lease) -> str:
    return f"/assignments/{lease.public_id}/reports"


def audited(action: str) -> int:
    return AuditEvent.objects.filter(action=action).count()


# Sending


def test_a_report_names_the_response_as_shown_and_leaves_the_slot_alone(
    client: Client, lease: Lease, annotator: Membership
) -> None:
    before = Assignment.objects.filter(pk=lease.assignment_id).values().get()
    fields = {"reason": "harmful", "response": "B", "note": "Second line:\r\nhow to hurt."}
    answer = client.post(address(lease), fields)
    assert answer.status_code == 201
    report = Report.objects.get()
    assert (report.annotator, report.item) == (annotator, lease.assignment.item)
    assert (report.reason, report.note, report.state) == ("harmful", "Second line:\nhow to hurt.", "open")
    assert report.completion is not None and report.completion.position == lease.display_order[1]
    assert Assignment.objects.filter(pk=lease.assignment_id).values().get() == before
    assert client.get(f"/assignments/{lease.public_id}").status_code == 200
    event = AuditEvent.objects.get(action="item.reported")
    assert event.actor == annotator.user and event.data["reason"] == "harmful"
    assert "how to hurt" not in str(event.data)


def test_the_page_after_a_report_without_script_shows_nothing_of_the_item(
    client: Client, lease: Lease
) -> None:
    page = client.post(address(lease), {"reason": "broken"}).content.decode()
    assert "Close this tab" in page and "Answer" not in page and "model-" not in page


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Please say what is wrong."),
        ({"reason": "boring"}, "Select a valid choice"),
        ({"reason": "other", "response": "C"}, "Select a valid choice"),
        ({"reason": "other", "note": "x" * (NOTE_MAX + 1)}, str(NOTE_MAX)),
        ({"reason": "other", "note": "a\x00b"}, "Null characters are not allowed"),
    ],
    ids=["no reason", "unknown reason", "no such response", "long note", "NUL"],
)
def test_what_does_not_fit_is_refused_in_words(
    fields: dict[str, str], said: str, client: Client, lease: Lease
) -> None:
    answer = client.post(address(lease), fields)
    assert answer.status_code == 422
    assert said in answer.content.decode()
    assert not Report.objects.exists()


def test_the_same_words_sent_twice_are_one_report_and_other_words_another(
    client: Client, lease: Lease
) -> None:
    for note in ("", "", "More.", "More."):
        assert client.post(address(lease), {"reason": "broken", "note": note}).status_code == 201
    assert sorted(Report.objects.values_list("note", flat=True)) == ["", "More."]
    assert audited("item.reported") == 2


def test_a_flood_is_stopped_and_only_of_that_person(
    world: World, client: Client, lease: Lease, annotator: Membership
) -> None:
    for number in range(REPORTS_MAX):
        report_item(
            annotator=annotator, item=lease.assignment.item, reason="other", note=str(number), now=world.now
        )
    answer = client.post(address(lease), {"reason": "other", "note": "one more"})
    assert answer.status_code == 422 and "write to your lead" in answer.content.decode()
    other = world.lease(world.member())
    assert signed_in(other.annotator.user).post(address(other), {"reason": "other"}).status_code == 201


def test_a_lease_of_somebody_else_takes_no_report(world: World, lease: Lease) -> None:
    assert signed_in(world.member().user).post(address(lease), {"reason": "other"}).status_code == 404
    assert not Report.objects.exists()


# Can't judge


@pytest.mark.parametrize(
    ("reason", "reported"),
    [
        ("rather_not", ["harmful"]),
        ("private_data", ["private_data"]),
        ("language", []),
        ("skipped", []),
    ],
)
def test_two_reasons_for_cannot_judge_are_reports(
    reason: str, reported: list[str], client: Client, lease: Lease
) -> None:
    for _ in range(2):  # a double click
        client.post(f"/assignments/{lease.public_id}/release", {"reason": reason})
    assert list(Report.objects.values_list("reason", flat=True)) == reported
    assert Assignment.objects.get(pk=lease.assignment_id).state == "open"


def test_cannot_judge_reports_even_when_the_lease_has_gone_to_somebody_else(
    world: World, client: Client, lease: Lease
) -> None:
    client.post(f"/assignments/{lease.public_id}/release", {"reason": "skipped"})
    client.post(f"/assignments/{lease.public_id}/release", {"reason": "private_data"})
    assert Report.objects.get().reason == "private_data"


def test_cannot_judge_sent_as_an_answer_reports_as_well(world: World, lease: Lease) -> None:
    submission = Submission(
        submission_id=lease.submission_id, attempt=lease.attempt, answer={"cannot_judge": "rather_not"}
    )
    submit_judgment(
        annotator=lease.annotator, assignment=lease.assignment, submission=submission, now=world.now
    )
    assert Report.objects.get().reason == "harmful"


def test_a_lead_who_voids_an_answer_reports_nothing_in_its_author_s_name(
    world: World, annotator: Membership, lease: Lease
) -> None:
    judgment = Judgment.objects.get(pk=world.submit(lease).body["judgment"])
    void_judgment(judgment=judgment, actor=world.lead, reason="private_data", now=world.now)
    assert not Report.objects.exists()


# Reading and closing


def test_leads_and_reviewers_see_what_is_open_and_others_do_not(
    world: World, client: Client, lease: Lease
) -> None:
    client.post(address(lease), {"reason": "private_data", "note": "A <b>phone number</b>."})
    project = f"/projects/{world.project.slug}"
    item = f"{project}/batches/{lease.assignment.batch.number}/items/{lease.assignment.item.number}"
    for user in (world.lead, world.member("reviewer").user):
        overview = signed_in(user).get(project).content.decode()
        assert "Open reports" in overview and f'href="{item}#reports"' in overview
        assert "phone number" not in overview  # read on the item's page
        page = signed_in(user).get(item).content.decode()
        assert "A &lt;b&gt;phone number&lt;/b&gt;." in page and "Someone’s private data" in page
    for user in (world.member("engineer").user, lease.annotator.user):
        answer = signed_in(user).get(project)
        assert "Open reports" not in answer.content.decode()


def test_a_report_is_handled_once_and_its_first_handler_stays(
    world: World, client: Client, lease: Lease
) -> None:
    client.post(address(lease), {"reason": "broken"})
    report = Report.objects.get()
    handled = f"/projects/{world.project.slug}/reports/{report.pk}/handled"
    assert client.post(handled).status_code == 403
    reviewer = world.member("reviewer")
    answer = signed_in(reviewer.user).post(handled)
    assert answer.status_code == 302 and "/items/" in answer["Location"]
    signed_in(world.lead).post(handled)
    report.refresh_from_db()
    assert (report.state, report.handled_by) == ("handled", reviewer.user)
    assert audited("report.handled") == 1
    overview = signed_in(world.lead).get(f"/projects/{world.project.slug}").content.decode()
    assert "Open reports" not in overview
    page = signed_in(world.lead).get(answer["Location"]).content.decode()
    assert (
        f"handled by {reviewer.user}" in re.sub(r"\s+", " ", page) and ">Mark as handled</button>" not in page
    )


def test_a_report_of_another_project_is_not_there(world: World, client: Client, lease: Lease) -> None:
    client.post(address(lease), {"reason": "broken"})
    other = make_world()
    wrong = f"/projects/{other.project.slug}/reports/{Report.objects.get().pk}/handled"
    assert signed_in(other.lead).post(wrong).status_code == 404


def test_the_table_keeps_what_was_said(world: World, annotator: Membership, lease: Lease) -> None:
    report = report_item(annotator=annotator, item=lease.assignment.item, reason="other", now=world.now)
    with pytest.raises(DatabaseError), transaction.atomic():
        report.delete()
    with pytest.raises(DatabaseError), transaction.atomic():
        Report.objects.filter(pk=report.pk).update(note="Never mind.")
    with pytest.raises(DatabaseError), transaction.atomic():
        Report.objects.filter(pk=report.pk).update(state="handled")
    Report.objects.filter(pk=report.pk).update(state="handled", handled_at=world.now, handled_by=world.lead)
    with pytest.raises(DatabaseError), transaction.atomic():
        Report.objects.filter(pk=report.pk).update(state="open", handled_at=None, handled_by=None)
