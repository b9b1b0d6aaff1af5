"""Cutting releases: what gets in, what stays out, and that nothing changes afterwards."""

import threading
import time
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction

from annotation.errors import Refused
from annotation.jobs import JobFailed, JobSuperseded, Progress, claim_job, run_claimed
from annotation.models import AuditEvent, ConsentText, Item, Job, Judgment
from annotation.services.judgments import Submission, correct_judgment, undo_judgment
from annotation.services.people import give_consent
from annotation.services.returning import sweep_leases
from exporters.models import Release, ReleaseFile, ReleaseRow
from exporters.selectors import latest_release
from exporters.services.releases import (
    beating,
    cut_release,
    fail_abandoned_releases,
    next_version,
    start_release,
)
from exporters.settings import release_settings
from exporters.snapshot import one_moment, select_rows
from tests.exporters.releases import contents, cut, judge_item, judged_world, lines_of
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db(transaction=True)

ALL_TRAIN = {"split": {"train": 1}}


def records(release: Release, split: str = "train") -> list[dict[str, Any]]:
    data = contents(release).get(f"{split}-00000-of-00001.jsonl.gz")
    return lines_of(data) if data else []


def answers(release: Release) -> list[tuple[str, str, str]]:
    """(item, chosen, rejected) of every row."""
    return [(r["item"], r["chosen"][0]["content"], r["rejected"][0]["content"]) for r in records(release)]


def test_a_release_holds_the_majority_of_each_item() -> None:
    world = judged_world([[-2, 2, 1], [-1, 1, 1], [3, 3, -2]])
    release, job = cut(world, ALL_TRAIN)
    assert job.state == Job.State.SUCCEEDED, job.error
    assert release.state == Release.State.FROZEN and release.version == "1"
    assert answers(release) == [
        ("row-1", "Answer 0.0", "Answer 0.1"),
        ("row-2", "Answer 1.1", "Answer 1.0"),
        ("row-3", "Answer 2.1", "Answer 2.0"),
    ]
    first = records(release)[0]
    assert first["prompt"] == [{"role": "user", "content": "Question 1.1?"}]
    assert first["chosen"] == [{"role": "assistant", "content": "Answer 0.0"}]
    assert set(first) == {"id", "item", "prompt", "chosen", "rejected", "soft_label", "protocol"}


def test_rows_name_the_judgments_they_rest_on() -> None:
    world = judged_world([[-2, 2], [-1, 1]])
    release, _ = cut(world)
    by_item = {item.pk: set(item.judgments.values_list("pk", flat=True)) for item in Item.objects.all()}
    rows = list(release.rows.order_by("number"))
    assert [set(row.judgment_ids) for row in rows] == [by_item[row.item_id] for row in rows]
    assert release.judgments == 4


def test_cutting_twice_gives_the_same_bytes_under_another_name() -> None:
    world = judged_world([[-2, 2, 0, 1, 1, -1], [-1, 1, 0, 2, 2, -3]])
    first, _ = cut(world, {"ties": "both"})
    second, _ = cut(world, {"ties": "both"}, version="again")
    assert contents(first) == contents(second)
    assert len(contents(first)) >= 5
    assert first.manifest == second.manifest and first.created_at == second.created_at


def test_ties_are_dropped_or_kept_in_both_orders() -> None:
    world = judged_world([[0, 2], [0, 2]])
    dropped, _ = cut(world, ALL_TRAIN)
    both, _ = cut(world, ALL_TRAIN | {"ties": "both"})
    assert [item for item, *_ in answers(dropped)] == ["row-2"]
    assert dropped.manifest["dropped_pairs"] == {"tie": 1}
    assert answers(both) == [
        ("row-1", "Answer 0.0", "Answer 0.1"),
        ("row-1", "Answer 0.1", "Answer 0.0"),
        ("row-2", "Answer 1.1", "Answer 1.0"),
    ]
    assert len({record["id"] for record in records(both)}) == 3
    assert list(both.rows.values_list("is_tie", "strength")) == [(True, 0), (True, 0), (False, 1)]


def test_every_judgment_gives_a_row() -> None:
    world = judged_world([[-2], [1]])
    release, _ = cut(world, ALL_TRAIN | {"labels": "every"})
    assert answers(release) == [("row-1", "Answer 0.0", "Answer 0.1"), ("row-1", "Answer 0.1", "Answer 0.0")]
    assert list(release.rows.order_by("number").values_list("strength", flat=True)) == [2, 1]
    assert len({record["id"] for record in records(release)}) == 2


def test_reference_labels_need_no_judgment() -> None:
    world = make_world()
    batch = world.batch(items=0)
    world.item(batch, 1, ["a", "b"], reference=1)
    world.item(batch, 2, ["c", "d"], reference=-1)
    world.item(batch, 3, ["e", "f"])
    release, job = cut(world, ALL_TRAIN | {"labels": "reference"})
    assert job.error is None
    assert answers(release) == [("row-1", "b", "a"), ("row-2", "c", "d")]
    assert release.manifest["dropped_pairs"] == {"no_reference": 1}
    assert set(release.rows.values_list("strength", flat=True)) == {None}


def test_rankings_and_ratings_give_their_pairs() -> None:
    ranking = make_world({"kind": "ranking", "overlap": 1})
    ranking.batch(items=1, completions=3)
    lease = ranking.lease(ranking.member())
    label = {position: "ABC"[place] for place, position in enumerate(lease.display_order)}
    ranking.submit(lease, {"ranking": [[label[2]], [label[0], label[1]]]})
    release, job = cut(ranking, ALL_TRAIN)
    assert job.error is None
    assert answers(release) == [("row-1", "Answer 0.2", "Answer 0.0"), ("row-1", "Answer 0.2", "Answer 0.1")]

    rating = make_world({"kind": "rating", "overlap": 1})
    rating.batch(items=1, completions=2)
    lease = rating.lease(rating.member())
    label = {position: "AB"[place] for place, position in enumerate(lease.display_order)}
    keys = [criterion.key for criterion in lease.assignment.batch.protocol.criteria.all()]
    values = {label[0]: dict.fromkeys(keys, 1), label[1]: dict.fromkeys(keys, 3)}
    rating.submit(lease, {"ratings": values})
    release, job = cut(rating, ALL_TRAIN | {"labels": "mean_strength"})
    assert job.error is None
    assert answers(release) == [("row-1", "Answer 0.1", "Answer 0.0")]
    assert records(release)[0]["protocol"] == "rating v1"
    assert release.rows.get().strength == 2


def test_only_current_answers_count() -> None:
    world = judged_world([[-2]])
    judgment = Judgment.objects.get()
    undo = undo_judgment(annotator=judgment.annotator, judgment=judgment)
    better = "AB"[judgment.display_order.index(1)]
    correct_judgment(
        annotator=judgment.annotator,
        judgment=judgment,
        submission=Submission(undo.submission_id, judgment.attempt, {"preferred": better, "strength": 1}),
        now=NOW + timedelta(minutes=5),
    )
    release, _ = cut(world, ALL_TRAIN)
    assert answers(release) == [("row-1", "Answer 0.1", "Answer 0.0")]
    assert release.judgments == 1


def test_a_voided_answer_stays_out() -> None:
    world = judged_world([[-2, 1]])
    void = Judgment.objects.order_by("pk")[0]
    undo = undo_judgment(annotator=void.annotator, judgment=void)
    correct_judgment(
        annotator=void.annotator,
        judgment=void,
        submission=Submission(undo.submission_id, void.attempt, {"cannot_judge": "broken_prompt"}),
        now=NOW + timedelta(minutes=1),
    )
    release, _ = cut(world, ALL_TRAIN)
    assert [item for item, *_ in answers(release)] == ["row-2"]


def test_a_late_answer_stays_out() -> None:
    """Its lease ran out and somebody else finished the item; two against one would turn the majority."""
    world = make_world(protocol={"kind": "pairwise", "points": 7, "overlap": 1})
    world.batch(items=1)
    slow, quick = world.member(), world.member()
    lease = world.lease(slow)
    sweep_leases(NOW + timedelta(hours=1))
    world.submit(world.lease(quick, after=3700), after=3710)
    outcome = world.submit(lease, after=3720)
    assert outcome.body["state"] == "late"
    release, _ = cut(world, ALL_TRAIN)
    assert [len(row.judgment_ids) for row in release.rows.all()] == [1]
    assert outcome.body["judgment"] not in release.rows.get().judgment_ids


def test_answers_need_the_consent_that_was_asked_for() -> None:
    world = make_world(protocol={"kind": "pairwise", "points": 7, "overlap": 2}, consent="Agree?")
    world.batch(items=1)
    agreed, other = world.member(), world.member()
    give_consent(annotator=agreed, now=NOW)
    give_consent(annotator=other, now=NOW)
    judge_item(world, agreed, -2)
    judge_item(world, other, 2)
    other.consents.all().delete()
    release, _ = cut(world, ALL_TRAIN)
    assert answers(release) == [("row-1", "Answer 0.0", "Answer 0.1")]
    assert release.manifest["annotators"] == 1


def test_answers_from_before_the_first_consent_text_stay_in() -> None:
    world = judged_world([[-2]])
    ConsentText.objects.create(
        project=world.project, number=1, text="Agree?", created_at=NOW + timedelta(days=2)
    )
    release, _ = cut(world, ALL_TRAIN)
    assert release.judgments == 1


def test_identical_answers_and_thin_pairs_stay_out() -> None:
    world = make_world(protocol={"kind": "pairwise", "points": 7, "overlap": 2})
    batch = world.batch(items=0)
    world.item(batch, 1, ["same", "same"])
    world.item(batch, 2, ["a", "b"])
    first, second = world.member(), world.member()
    for _ in range(2):
        judge_item(world, first, -1)
    judge_item(world, second, -1)
    release, _ = cut(world, ALL_TRAIN)
    assert release.manifest["dropped_pairs"] == {"identical": 1}
    empty, job = cut(world, {"filters": {"min_judgments": 2}})
    assert empty.state == Release.State.FAILED
    assert job.error is not None
    assert job.error["detail"] == (
        "There is nothing to release. Pairs of completions left out: "
        "1 with fewer than 2 judgments that may be released, 1 with two completions that read the same."
    )


def test_a_project_without_judgments_says_so_and_keeps_the_name_free() -> None:
    world = make_world()
    release, job = cut(world, version="first")
    assert (release.state, job.state) == (Release.State.FAILED, Job.State.FAILED)
    assert job.error == {"detail": "There is nothing to release: no item passes the filters.", "errors": []}
    world.batch(items=1, overlap=1)
    judge_item(world, world.member(), 1)
    again, job = cut(world, version="first")
    assert again.state == Release.State.FROZEN


def test_filters_choose_batches_and_languages() -> None:
    world = make_world(protocol={"kind": "pairwise", "points": 7, "overlap": 1})
    world.batch(items=1)
    second = world.batch(items=0)
    world.item(second, 1, ["a", "b"], language="en")
    world.item(second, 2, ["c", "d"], language="de")
    annotator = world.member()
    for _ in range(3):
        judge_item(world, annotator, -1)
    assert len(answers(cut(world, ALL_TRAIN)[0])) == 3
    assert len(answers(cut(world, ALL_TRAIN | {"filters": {"batches": [2]}})[0])) == 2
    german, _ = cut(world, ALL_TRAIN | {"filters": {"languages": ["de"]}})
    assert answers(german) == [("row-2", "c", "d")]
    assert german.manifest["languages"] == ["de"]
    with pytest.raises(Refused, match="no batch 9"):
        cut(world, {"filters": {"batches": [9]}})


def test_a_prompt_never_lies_in_two_splits_and_keeps_its_side() -> None:
    world = make_world(protocol={"kind": "pairwise", "points": 7, "overlap": 1})
    batch = world.batch(items=0)
    for number in range(1, 25):
        prompt = [{"role": "user", "content": f"Question {number % 8}"}]
        world.item(batch, number, [f"a{number}", f"b{number}"], prompt=prompt)
    annotator = world.member()
    for _ in range(16):
        judge_item(world, annotator, 1)
    halves = {"split": {"train": 0.5, "test": 0.5}}
    first, _ = cut(world, halves)
    for _ in range(8):
        judge_item(world, annotator, 1)
    second, _ = cut(world, halves)
    sides: dict[str, set[str]] = {}
    for release in (first, second):
        for row in release.rows.select_related("item"):
            sides.setdefault(row.item.prompt[0]["content"], set()).add(row.split)
    assert len(sides) == 8 and all(len(where) == 1 for where in sides.values())
    assert set.union(*sides.values()) == {"train", "test"}
    assert second.rows.count() == 24


def test_a_snapshot_sees_one_moment_while_people_submit() -> None:
    """An answer that is committed while the selection runs is in none of its parts."""
    world = judged_world([[-2, 1], [-1, 1]])
    late = world.member()
    world.batch(items=2, overlap=1)
    submitted: list[int] = []

    def submit_another() -> None:
        try:
            judge_item(world, late, 2)
            submitted.append(Judgment.objects.count())
        finally:
            connection.close()

    with one_moment():
        before = Judgment.objects.count()
        thread = threading.Thread(target=submit_another)
        thread.start()
        thread.join()
        assert submitted == [before + 1]
        assert Judgment.objects.count() == before
    assert select_rows(world.project, release_settings({})).judgments == before + 1


def test_the_snapshot_cannot_write() -> None:
    with pytest.raises(DatabaseError, match="read-only"), one_moment():
        make_world()


def test_nothing_of_a_frozen_release_changes() -> None:
    world = judged_world([[-2, 1]])
    release, _ = cut(world)
    row, file = release.rows.first(), release.files.first()
    assert row is not None and file is not None
    for change in (
        lambda: Release.objects.filter(pk=release.pk).update(version="other"),
        lambda: release.rows.update(split="train2"),
        lambda: release.rows.all().delete(),
        lambda: release.files.update(sha256="0" * 64),
        lambda: release.files.all().delete(),
        lambda: ReleaseRow.objects.create(
            release=release,
            number=99,
            item=row.item,
            chosen=row.chosen,
            rejected=row.rejected,
            split="train",
            judgment_ids=[],
            content_hash="",
        ),
        lambda: ReleaseFile.objects.create(
            release=release, name="x", format="preference", size=1, sha256="0" * 64, storage_name="x"
        ),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    # Erasure alone may mark a file; its hash stays.
    release.files.filter(pk=file.pk).update(erased_at=NOW)


def test_a_second_delivery_of_the_job_does_nothing() -> None:
    world = judged_world([[-2, 1]])
    release, job = cut(world)
    events = AuditEvent.objects.count()
    run_claimed(str(job.pk), NOW)
    assert AuditEvent.objects.count() == events
    assert release.files.count() == len(contents(release))


def taken_over() -> tuple[Release, Job, Job]:
    """A release whose first worker stalled after its claim; the sweep gave the job to a second one."""
    world = judged_world([[-2, 1]])
    release, queued = start_release(
        project=world.project, actor=world.lead, settings=release_settings({}), now=NOW
    )
    stalled = claim_job(str(queued.pk), NOW)
    assert stalled is not None
    Job.objects.filter(pk=queued.pk).update(state=Job.State.QUEUED)
    second = claim_job(str(queued.pk), NOW)
    assert second is not None
    return release, stalled, second


def test_a_run_that_was_taken_over_leaves_nothing_behind() -> None:
    """The second worker freezes."""
    release, stalled, second = taken_over()
    with pytest.raises(JobSuperseded):
        cut_release(stalled, Progress(stalled))
    release.refresh_from_db()
    assert release.state == Release.State.BUILDING and not release.rows.exists()
    assert cut_release(second, Progress(second))["rows"] == 2
    assert release.files.count() > 0
    folders = default_storage.listdir(f"releases/{release.project_id}/{release.pk}")[0]
    assert folders == ["2"]


def test_a_run_that_was_taken_over_does_not_fail_the_release_of_its_successor() -> None:
    release, stalled, second = taken_over()
    wanted = Release.objects.filter(pk=release.pk)
    wanted.update(settings={"filters": {"min_judgments": 1000}})
    with pytest.raises(JobFailed):  # taken over after its last report
        cut_release(stalled, lambda share: None)  # type: ignore[arg-type]
    wanted.update(settings=release.settings)
    assert cut_release(second, Progress(second))["rows"] == 2
    assert wanted.get().state == Release.State.FROZEN


def test_a_long_snapshot_keeps_its_heartbeat() -> None:
    """Its transaction shows nothing outside, so without a beat of its own the sweep would take the job away."""
    world = judged_world([[-2]])
    _, queued = start_release(project=world.project, actor=world.lead, settings=release_settings({}), now=NOW)
    job = claim_job(str(queued.pk), NOW)
    assert job is not None
    with beating(Progress(job), 0.1, seconds=0.02), one_moment():
        Job.objects.get(pk=job.pk)
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and heartbeat_seen_elsewhere(job) == NOW:
            time.sleep(0.02)
        assert heartbeat_seen_elsewhere(job) > NOW
        assert Job.objects.get(pk=job.pk).heartbeat_at == NOW


def heartbeat_seen_elsewhere(job: Job) -> datetime:
    """As another connection sees it."""
    found: list[datetime | None] = []

    def look() -> None:
        try:
            found.append(Job.objects.get(pk=job.pk).heartbeat_at)
        finally:
            connection.close()

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found[0] is not None
    return found[0]


def test_a_release_whose_job_died_is_marked_failed() -> None:
    world = judged_world([[-2]])
    release, job = start_release(
        project=world.project, actor=world.lead, settings=release_settings({}), now=NOW
    )
    fail_abandoned_releases(NOW)
    release.refresh_from_db()
    assert release.state == Release.State.BUILDING
    Job.objects.filter(pk=job.pk).update(state=Job.State.FAILED)
    fail_abandoned_releases(NOW)
    fail_abandoned_releases(NOW)
    release.refresh_from_db()
    assert release.state == Release.State.FAILED
    events = AuditEvent.objects.filter(object_type="release").order_by("pk")
    assert list(events.values_list("action", flat=True)) == ["release.started", "release.failed"]


@pytest.mark.parametrize("version", ["latest", "", "a/b", "-1", "x" * 33, "v 1", "1\n"])
def test_a_version_has_a_plain_name(version: str) -> None:
    world = make_world()
    with pytest.raises(Refused) as refusal:
        start_release(
            project=world.project, actor=world.lead, settings=release_settings({}), version=version, now=NOW
        )
    assert [error.field for error in refusal.value.errors] == ["version"]


def test_versions_count_on_and_names_are_taken_once() -> None:
    assert next_version(set()) == "1"
    assert next_version({"1", "2", "spring", "2024.2"}) == "3"
    world = judged_world([[-2]])
    cut(world, version="spring")
    cut(world, version="7")
    newest, _ = cut(world)
    assert newest.version == "8" and latest_release(world.project) == newest
    with pytest.raises(Refused, match="releases never change"):
        cut(world, version="spring")


def test_start_and_freeze_are_audited_and_the_head_covers_the_judgments() -> None:
    world = judged_world([[-2, 1]])
    release, _ = cut(world)
    actions = AuditEvent.objects.filter(object_type="release").order_by("pk").values_list("action", flat=True)
    assert list(actions) == ["release.started", "release.frozen"]
    last = AuditEvent.objects.filter(object_type="judgment").order_by("-chain_position").first()
    assert last is not None
    assert (release.audit_position, bytes(release.audit_hash)) == (
        last.chain_position,
        bytes(last.chain_hash or b""),
    )


def test_simulated_judgments_are_told_apart() -> None:
    world = make_world(protocol={"kind": "pairwise", "points": 7, "overlap": 2})
    world.batch(items=1)
    judge_item(world, world.member(), 1)
    judge_item(world, world.member(is_simulated=True), 1)
    release, _ = cut(world)
    assert (release.judgments, release.manifest["simulated_judgments"]) == (2, 1)
    assert "**1 of these judgments were simulated**" in contents(release)["README.md"].decode()


def test_the_command_cuts_without_a_worker(capsys: pytest.CaptureFixture[str]) -> None:
    world = judged_world([[-2, 1]])
    call_command("cut_release", world.project.slug)
    assert capsys.readouterr().out.strip() == f"{world.project.slug} 1: 2 rows, frozen."
    assert latest_release(world.project) is not None


def test_no_file_holds_a_name_a_date_or_an_address(settings: Any) -> None:
    world: World = judged_world([[-2, 1]])
    release, _ = cut(world, version="spring-cut")
    everything = b"\n".join(contents(release).values())
    people = Judgment.objects.values_list("annotator__user__email", flat=True)
    for text in (*people, world.lead.email, "spring-cut", "2026-03", str(settings.MEDIA_ROOT)):
        assert text.encode() not in everything
