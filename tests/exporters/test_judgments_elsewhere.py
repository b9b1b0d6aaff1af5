"""Imported judgments count where judgments are counted, and are nowhere where people work."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection, transaction
from django.db.utils import DatabaseError

from annotation.errors import Refused
from annotation.invariants import violations
from annotation.jobs import run_claimed
from annotation.models import Assignment, AuditEvent, Batch, Item, Judgment, Lease, Origin
from annotation.selectors import batch_counts
from annotation.selectors_console import member_rows
from annotation.services.judgments import Submission, correct_judgment, undo_judgment
from annotation.services.leases import lease_next
from annotation.services.voiding import void_judgment
from comparisons.erasure import erase_texts
from comparisons.models import AgreementReport, Statistic
from comparisons.selectors import work_judgments
from comparisons.services.agreement import start_agreement
from comparisons.services.statistics import start_statistics
from exporters.releasable import releasable_judgments
from exporters.stream import judgments_json
from tests.annotation.browsing import body, signed_in
from tests.annotation.judged_lines import line
from tests.annotation.test_audit import with_triggers_off
from tests.annotation.uploading import lines
from tests.exporters.moving import another_project, released, rows_of, taken_in
from tests.exporters.releases import cut, judged_world
from tests.factories import NOW, PAIRWISE, World, make_world

pytestmark = pytest.mark.django_db(transaction=True)

OPINIONS = [[(3 * item * (person + 2) + item * item) % 7 - 3 for item in range(36)] for person in range(3)]
"""Of three people on 36 items: near each other on some, not on others."""


def imported(**fields: Any) -> tuple[World, Batch]:
    """A project with three judgments of one item, all imported."""
    world = make_world(**fields)
    batch, job = taken_in(world, lines([line(number, note=f"Note {number}.") for number in (1, 2, 3)]))
    assert job.error is None, job.error
    return world, batch


def figures(world: World) -> list[dict[str, Any]]:
    """Everything that was computed, with people by their pseudonyms and without what tells one run from another.

    Sums are taken in the order of judgments, which is another one here: nine digits have to be the same.
    """
    for started in (start_statistics, start_agreement):
        job = started(project=world.project, actor=world.lead, now=NOW, seed=3)
        run_claimed(str(job.pk), NOW + timedelta(minutes=1))
        job.refresh_from_db()
        assert job.error is None, job.error
    own = ("id", "project_id", "job_id", "last_judgment_id", "annotator_id", "computed_at")
    rows: list[dict[str, Any]] = []
    for model in (Statistic, AgreementReport):
        for one in model._default_manager.filter(project=world.project).order_by("pk"):
            facts = {
                name: float(f"{value:.9g}") if isinstance(value, float) else value
                for name, value in vars(one).items()
                if name not in own and name[0] != "_"
            }
            annotator = getattr(one, "annotator", None)
            rows.append(facts | {"person": getattr(annotator, "pseudonym", None)})
    return sorted(rows, key=repr)


def test_agreement_and_statistics_are_those_of_the_origin() -> None:
    origin = judged_world(OPINIONS)
    copy = another_project(origin, PAIRWISE)
    _, job = taken_in(copy, released(origin))
    assert job.error is None, job.error
    there, here = figures(origin), figures(copy)
    assert sum(row["value"] is not None for row in there) > 10
    assert here == there


def test_nobody_is_offered_what_was_judged_elsewhere() -> None:
    world, batch = imported()
    person = world.member()
    for asked in (batch, None):
        result = lease_next(annotator=person, now=NOW, seed=1, batch=asked)
        assert result.lease is None
    assert not Assignment.objects.exists() and not Lease.objects.exists()
    assert (batch.state, batch.overlap, batch.closed_at is not None) == ("closed", 0, True)
    assert set(Item.objects.values_list("target_overlap", flat=True)) == {0}
    counts = batch_counts([batch])[batch.pk]
    assert (counts.items, counts.open, counts.leased, counts.submitted, counts.late) == (1, 0, 0, 0, 0)
    assert violations() == []


def test_own_work_beside_imported_judgments_goes_on_as_before() -> None:
    world, _ = imported()
    world.batch(items=1, overlap=1)
    person = world.member()
    world.judge(person)
    assert work_judgments(world.project).count() == 4
    assert [row.submitted for row in member_rows(world.project)] == [0, 1]
    assert violations() == []


def test_a_release_takes_them_without_consent_given_here() -> None:
    world, _ = imported(consent="Agree?")
    world.batch(items=1, overlap=1)
    assert releasable_judgments(world.project).count() == 3
    release, job = cut(world, {"split": {"train": 1}, "formats": ["preference", "judgments"]})
    assert job.error is None, job.error
    assert release.rows.count() == 1
    assert violations() == []


def test_what_an_imported_person_wrote_can_be_forgotten() -> None:
    world, _ = imported()
    judgment = Judgment.objects.earliest("pk")
    assert erase_texts(annotator=judgment.annotator, actor=None, now=NOW) == 1
    judgment.refresh_from_db()
    assert judgment.note == ""
    assert [row["note"] for row in rows_of(released(world))] == ["", "Note 2.", "Note 3."]


def test_the_stream_says_that_they_were_imported() -> None:
    imported()
    told = judgments_json(list(Judgment.objects.order_by("pk").select_related("annotator", "assignment")))
    assert [(one["purpose"], one["annotator"], one["answers"]) for one in told] == [
        ("imported", f"p{number}", {"overall": {"preference": -2}}) for number in (1, 2, 3)
    ]


def test_pages_show_them_as_imported() -> None:
    world, batch = imported()
    client = signed_in(world.lead)
    item = body(client.get(f"/projects/{world.project.slug}/batches/{batch.number}/items/1"))
    assert item.count('<span class="pill">imported</span>') == 3 and "3 imported" in item
    page = body(client.get(f"/projects/{world.project.slug}/batches/{batch.number}"))
    assert "judgments of another project" in page and "gold" not in page
    members = body(client.get(f"/projects/{world.project.slug}/members"))
    assert "imported.invalid" not in members
    assert client.get(f"/projects/{world.project.slug}/members/p1").status_code == 404


def test_they_can_be_neither_voided_nor_corrected() -> None:
    world, _ = imported()
    judgment = Judgment.objects.earliest("pk")
    with pytest.raises(Refused, match="imported"):
        void_judgment(judgment=judgment, reason="wrong", actor=world.lead, now=NOW)
    with pytest.raises(Refused, match="imported"):
        undo_judgment(annotator=judgment.annotator, judgment=judgment)
    submission = Submission(judgment.submission_id, 0, {"preferred": "A", "strength": 1})
    with pytest.raises(Refused, match="imported"):
        correct_judgment(annotator=judgment.annotator, judgment=judgment, submission=submission, now=NOW)


def test_the_database_refuses_half_a_judgment() -> None:
    imported()
    judgment = Judgment.objects.earliest("pk")
    own = {field.attname: getattr(judgment, field.attname) for field in Judgment._meta.concrete_fields}
    origin = Origin.objects.create(
        batch=1, item_number=4, item="row-4", judgment=9, protocol_version=1, guideline_version=1
    )
    for changes in ({"origin_id": None}, {"origin_id": origin.pk, "state": "late"}, {}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Judgment.objects.create(**own | {"id": None, "submission_id": origin_id(origin)} | changes)
    with pytest.raises(IntegrityError, match="judgment_submission_once"), transaction.atomic():
        Judgment.objects.create(**own | {"id": None, "origin_id": origin.pk})
    with pytest.raises(DatabaseError, match="Cannot"), transaction.atomic():
        Judgment.objects.filter(pk=judgment.pk).update(confidence=1)
    with pytest.raises(DatabaseError, match="Cannot"), transaction.atomic():
        Origin.objects.filter(pk=origin.pk).update(judgment=1)


def origin_id(origin: Origin) -> str:
    return f"00000000-0000-4000-8000-{origin.pk:012d}"


BREAKS = {
    "I11": "DELETE FROM annotation_auditevent WHERE action = 'batch.judgments_imported'",
    "I15": "UPDATE annotation_judgment SET display_order = '{0,0}'",
    "I16": "UPDATE annotation_batch SET state = 'open'",
    "I16 ": "UPDATE annotation_user SET is_active = true",
}


@pytest.mark.parametrize("code", BREAKS)
def test_check_invariants_finds_each_break(code: str, capsys: pytest.CaptureFixture[str]) -> None:
    imported()
    assert violations() == []
    with_triggers_off(BREAKS[code])
    with pytest.raises(CommandError):
        call_command("check_invariants")
    assert f"{code.strip()}  " in capsys.readouterr().out


def test_one_audit_row_tells_of_the_import() -> None:
    world, batch = imported()
    event = AuditEvent.objects.get(project=world.project, action="batch.judgments_imported")
    assert (event.object_id, event.data["items"], event.data["judgments"]) == (str(batch.pk), 1, 3)
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM annotation_auditevent WHERE object_type = 'judgment'")
        assert cursor.fetchone() == (0,)
