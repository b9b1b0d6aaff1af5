"""What people ask of jobs: to stop one, to try a dead letter again; over the API, on the page, by the command."""

import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.test import Client

from annotation import jobs
from annotation.errors import Refused
from annotation.jobs import JobFailed, Progress, enqueue_job, run_claimed, sweep_jobs
from annotation.models import Assignment, AuditEvent, Completion, Item, Job, User
from annotation.services import import_job
from annotation.services.batches import start_import
from annotation.services.import_job import fail_abandoned_imports
from annotation.services.jobs import cancel_job, retry_job
from exporters.models import Release
from exporters.services.releases import fail_abandoned_releases, start_release
from exporters.settings import release_settings
from tests.annotation.browsing import signed_in
from tests.exporters.releases import judged_world
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db

LATER = NOW + timedelta(minutes=10)
STEPS: list[str] = []


def crashing(job: Job, progress: Progress) -> dict[str, Any]:
    raise ZeroDivisionError("a secret of the machine")


def counting(job: Job, progress: Progress) -> dict[str, Any]:
    return {"done": True}


def stopped(job: Job, progress: Progress) -> dict[str, Any]:
    """Somebody cancels it in the middle."""
    progress(0.2)
    STEPS.append("before")
    cancel_job(job=job, actor=job.created_by, now=NOW)
    progress(0.6)
    STEPS.append("after")
    return {}


def stopped_and_crashing(job: Job, progress: Progress) -> dict[str, Any]:
    cancel_job(job=job, actor=job.created_by, now=NOW)
    raise ZeroDivisionError


def stopped_too_late(job: Job, progress: Progress) -> dict[str, Any]:
    cancel_job(job=job, actor=job.created_by, now=NOW)
    return {"done": True}


def refused(job: Job, progress: Progress) -> dict[str, Any]:
    raise JobFailed("The file is empty.")


@pytest.fixture(autouse=True)
def kinds() -> Iterator[None]:
    STEPS.clear()
    members = dict(jobs.job_handlers._members)
    for handler in (crashing, counting, stopped, stopped_and_crashing, stopped_too_late, refused):
        jobs.register_job(handler.__name__, handler)
    yield
    jobs.job_handlers._members.clear()
    jobs.job_handlers._members.update(members)


@pytest.fixture
def world() -> World:
    return make_world()


def queue(world: World, kind: str, actor: User | None = None) -> Job:
    return enqueue_job(
        kind=kind, key="one", project=world.project, actor=actor or world.lead, now=NOW, arguments={}
    )


def dead_letter(world: World, actor: User | None = None) -> Job:
    job = queue(world, "crashing", actor)
    work_to_death(job)
    return Job.objects.get(pk=job.pk)


def work_to_death(job: Job) -> None:
    while not job.is_finished:
        with pytest.raises(Exception):  # noqa: B017, PT011  (whatever the handler trips over)
            run_claimed(str(job.pk), job.run_after or NOW)
        job.refresh_from_db()
    assert job.is_dead_letter


def actions() -> list[tuple[str, int | None]]:
    """What was noted about jobs, and who did it."""
    events = AuditEvent.objects.filter(object_type="job").order_by("pk")
    return list(events.values_list("action", "actor"))


# Cancel


def test_a_queued_job_is_cancelled_at_once_and_once(world: World) -> None:
    job = queue(world, "counting")
    cancelled = cancel_job(job=job, actor=world.lead, now=LATER)
    cancel_job(job=job, actor=world.lead, now=LATER)
    run_claimed(str(job.pk), LATER)
    job.refresh_from_db()
    assert (job.state, job.finished_at, job.attempts) == (cancelled.state, LATER, 0)
    assert actions() == [("job.cancelled", world.lead.pk)]
    assert queue(world, "counting") != job, "its work can be asked for anew"


def test_a_running_job_stops_at_its_next_report(world: World) -> None:
    job = queue(world, "stopped")
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert STEPS == ["before"]
    assert (job.state, job.progress, job.result, job.error) == ("cancelled", 0.2, None, None)
    assert job.finished_at is not None
    assert actions() == [("job.cancel_wanted", world.lead.pk), ("job.cancelled", None)]


def test_what_should_stop_and_crashes_does_not_come_back(world: World) -> None:
    job = queue(world, "stopped_and_crashing")
    with pytest.raises(ZeroDivisionError):
        run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert job.state == "cancelled" and "ZeroDivisionError" in job.traceback
    assert sweep_jobs(LATER) == 0


def test_what_should_stop_and_whose_worker_died_does_not_come_back(world: World) -> None:
    job = queue(world, "counting")
    Job.objects.filter(pk=job.pk).update(state="running", attempts=1, tries=1, heartbeat_at=NOW)
    cancel_job(job=job, actor=world.lead, now=NOW)
    cancel_job(job=job, actor=world.lead, now=NOW)
    assert sweep_jobs(LATER) == 0
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert actions() == [("job.cancel_wanted", world.lead.pk), ("job.cancelled", None)]


def test_a_wish_that_comes_too_late_changes_nothing(world: World) -> None:
    job = queue(world, "stopped_too_late")
    run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert (job.state, job.result) == ("succeeded", {"done": True})
    with pytest.raises(Refused, match="nothing to cancel") as refusal:
        cancel_job(job=job, actor=world.lead, now=NOW)
    assert refusal.value.status == 409
    assert actions() == [("job.cancel_wanted", world.lead.pk)]


# Try again


def test_a_dead_letter_is_tried_again_with_fresh_tries_behind_the_same_fence(world: World) -> None:
    job = dead_letter(world)
    retry_job(job=job, actor=world.lead, now=LATER)
    job.refresh_from_db()
    assert (job.state, job.tries, job.attempts) == ("queued", 0, jobs.TRIES_MAX)
    assert (job.error, job.finished_at, job.is_dead_letter, job.sent_at) == (None, None, False, LATER)
    assert actions() == [("job.retried", world.lead.pk)]
    work_to_death(job)
    assert (job.tries, job.attempts) == (jobs.TRIES_MAX, 2 * jobs.TRIES_MAX)


@pytest.mark.parametrize(("kind", "state"), [("refused", "failed"), ("counting", "succeeded")])
def test_only_a_dead_letter_is_tried_again(world: World, kind: str, state: str) -> None:
    job = queue(world, kind)
    for _ in range(2):
        with pytest.raises(Refused, match="can be tried again") as refusal:
            retry_job(job=job, actor=world.lead, now=LATER)
        assert refusal.value.status == 409
        run_claimed(str(job.pk), NOW)
    job.refresh_from_db()
    assert (job.state, actions()) == (state, [])


def test_a_dead_letter_whose_work_was_queued_anew_stays(world: World) -> None:
    job = dead_letter(world)
    queue(world, "crashing")
    with pytest.raises(Refused, match="queued or running already"):
        retry_job(job=job, actor=world.lead, now=LATER)
    job.refresh_from_db()
    assert (job.state, job.is_dead_letter, actions()) == ("failed", True, [])


def test_a_dead_letter_can_be_given_up(world: World) -> None:
    job = dead_letter(world)
    cancel_job(job=job, actor=world.lead, now=LATER)
    job.refresh_from_db()
    assert (job.state, job.is_dead_letter, job.finished_at) == ("cancelled", False, LATER)
    with pytest.raises(Refused):
        retry_job(job=job, actor=world.lead, now=LATER)
    assert actions() == [("job.cancelled", world.lead.pk)]


# Nothing half stored


FILE = b"".join(
    b'{"id": "%d", "prompt": "Q%d", "completions": [{"content": "x"}, {"content": "y"}]}\n' % (n, n)
    for n in range(40)
)


def start(world: World, **changes: Any) -> Job:
    upload = ContentFile(FILE, name="pairs.jsonl")
    settings = {"format": "jsonl"} | changes
    return start_import(project=world.project, actor=world.lead, now=NOW, upload=upload, **settings)[1]


def uploads() -> list[str]:
    return default_storage.listdir("uploads")[1] if default_storage.exists("uploads") else []


def cancel_at(monkeypatch: pytest.MonkeyPatch, when: Callable[[float], bool], by: User) -> None:
    """Somebody cancels whatever job first reports a share that `when` holds for."""
    report = Progress.__call__

    def watched(self: Progress, share: float) -> None:
        if when(share):
            cancel_job(job=self.job, actor=by, now=NOW)
        report(self, share)

    monkeypatch.setattr(Progress, "__call__", watched)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_cancelled", [True, False], ids=["cancelled", "control"])
def test_a_cancelled_import_leaves_no_item_and_no_open_batch(
    world: World, monkeypatch: pytest.MonkeyPatch, is_cancelled: bool
) -> None:
    monkeypatch.setattr(import_job, "REPORT_SECONDS", 0)
    monkeypatch.setattr(import_job, "CHUNK_ROWS", 5)
    if is_cancelled:  # in the second pass, when some chunks are copied already
        cancel_at(monkeypatch, lambda share: share > 0.8, world.lead)
    job = start(world)
    run_claimed(str(job.pk), NOW)
    fail_abandoned_imports(LATER)
    job.refresh_from_db()
    rows = tuple(model.objects.count() for model in (Item, Completion, Assignment))
    batch = world.project.batches.get()
    if is_cancelled:
        assert (job.state, rows, batch.state) == ("cancelled", (0, 0, 0), "failed")
        assert 0.5 < job.progress <= 0.8
    else:
        assert (job.state, rows, batch.state) == ("succeeded", (40, 80, 120), "open")
    assert uploads() == []


def test_the_upload_of_a_cancelled_check_goes_too(world: World) -> None:
    job = start(world, dry_run=True)
    fail_abandoned_imports(NOW)
    assert len(uploads()) == 1
    cancel_job(job=job, actor=world.lead, now=NOW)
    fail_abandoned_imports(LATER)
    assert uploads() == []


def test_an_import_that_is_a_dead_letter_keeps_its_file_for_the_next_try(world: World) -> None:
    job = start(world)
    path = job.arguments["path"]
    default_storage.delete(path)  # a disk that is not there
    work_to_death(job)
    default_storage.save(path, ContentFile(FILE))
    fail_abandoned_imports(LATER)
    assert (uploads(), world.project.batches.get().state) == ([path.rpartition("/")[2]], "importing")
    retry_job(job=job, actor=world.lead, now=LATER)
    run_claimed(str(job.pk), LATER)
    assert (Item.objects.count(), world.project.batches.get().state) == (40, "open")


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_cancelled", [True, False], ids=["cancelled", "control"])
def test_a_cancelled_release_leaves_no_row_and_no_file(
    monkeypatch: pytest.MonkeyPatch, is_cancelled: bool
) -> None:
    world = judged_world([[-2, 1]])
    release, job = start_release(
        project=world.project, actor=world.lead, settings=release_settings({}), now=NOW
    )
    if is_cancelled:
        cancel_at(monkeypatch, lambda share: 0.3 < share < 0.9, world.lead)
    run_claimed(str(job.pk), NOW)
    fail_abandoned_releases(LATER)
    release.refresh_from_db()
    job.refresh_from_db()
    if is_cancelled:
        assert (job.state, release.state) == ("cancelled", Release.State.FAILED)
        assert not release.rows.exists() and not release.files.exists()
        assert files_below(f"releases/{release.project_id}/{release.pk}") == []
    else:
        assert (job.state, release.state, release.rows.count()) == ("succeeded", "frozen", 2)


def files_below(folder: str) -> list[str]:
    if not default_storage.exists(folder):
        return []
    folders, files = default_storage.listdir(folder)
    return files + [name for below in folders for name in files_below(f"{folder}/{below}")]


@pytest.mark.django_db(transaction=True)
def test_a_release_whose_cut_crashes_waits_for_the_next_try() -> None:
    world = judged_world([[-2, 1]])
    release, job = start_release(
        project=world.project, actor=world.lead, settings=release_settings({}), now=NOW
    )
    good = release.settings
    Release.objects.filter(pk=release.pk).update(settings={"labels": "none such"})
    work_to_death(job)
    fail_abandoned_releases(LATER)
    release.refresh_from_db()
    assert release.state == Release.State.BUILDING
    Release.objects.filter(pk=release.pk).update(settings=good)
    retry_job(job=job, actor=world.lead, now=LATER)
    run_claimed(str(job.pk), LATER)
    release.refresh_from_db()
    assert (release.state, release.rows.count()) == (Release.State.FROZEN, 2)


# Over the API


def api(world: World, user: User, method: str, path: str) -> Any:
    headers = {"Authorization": f"Bearer {world.token(user)}"}
    return Client().generic(method, f"/api/v1/jobs/{path}", headers=headers)


def test_lead_and_owner_cancel_and_try_again_over_the_api(world: World) -> None:
    engineer = world.member("engineer").user
    job = dead_letter(world, engineer)
    told = api(world, engineer, "GET", str(job.pk)).json()
    assert (told["state"], told["can_be_retried"]) == ("failed", True)
    assert api(world, engineer, "POST", f"{job.pk}/retry").json()["state"] == "queued"
    cancelled = api(world, world.lead, "POST", f"{job.pk}/cancel")
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert api(world, world.lead, "POST", f"{job.pk}/cancel").json() == cancelled.json()
    assert actions() == [("job.retried", engineer.pk), ("job.cancelled", world.lead.pk)]


def test_a_wish_is_told_while_the_job_still_runs(world: World) -> None:
    job = queue(world, "counting")
    Job.objects.filter(pk=job.pk).update(state="running", attempts=1, heartbeat_at=NOW)
    told = api(world, world.lead, "POST", f"{job.pk}/cancel").json()
    assert told["state"] == "running" and told["cancel_wanted_at"] is not None


def test_the_api_says_why_not(world: World) -> None:
    job = queue(world, "counting")
    early = api(world, world.lead, "POST", f"{job.pk}/retry")
    run_claimed(str(job.pk), NOW)
    late = api(world, world.lead, "POST", f"{job.pk}/cancel")
    for answer, kind in ((early, "job_not_dead"), (late, "job_finished")):
        assert (answer.status_code, answer["Content-Type"]) == (409, "application/problem+json")
        assert answer.json()["type"] == f"urn:concord:{kind}"
    assert actions() == []


def test_other_members_find_no_job_to_change(world: World) -> None:
    job = dead_letter(world)
    for role in ("reviewer", "engineer", "annotator"):
        user = world.member(role).user
        for path in ("retry", "cancel"):
            assert api(world, user, "POST", f"{job.pk}/{path}").status_code == 404
            assert signed_in(user).post(f"/jobs/{job.pk}/{path}").status_code == 404
    job.refresh_from_db()
    assert (job.is_dead_letter, actions()) == (True, [])


def test_a_traceback_is_for_the_lead_alone_and_not_for_the_api(world: World) -> None:
    engineer = world.member("engineer").user
    job = dead_letter(world, engineer)
    secret = "a secret of the machine"
    assert secret in job.traceback
    shown = signed_in(world.lead).get(f"/projects/{world.project.slug}/jobs").content.decode()
    assert secret in shown
    for user in (world.lead, engineer):
        for path in (str(job.pk), f"{job.pk}/cancel"):
            method = "POST" if path.endswith("cancel") else "GET"
            assert secret not in api(world, user, method, path).content.decode()
        assert secret not in signed_in(user).get(f"/jobs/{job.pk}").content.decode()
    assert signed_in(engineer).get(f"/projects/{world.project.slug}/jobs").status_code == 403


# The page of the lead


def page(world: World, query: str = "") -> str:
    response = signed_in(world.lead).get(f"/projects/{world.project.slug}/jobs{query}")
    assert response.status_code == 200
    return str(response.content.decode())


def buttons(html: str) -> list[tuple[str, str]]:
    return re.findall(r'aria-label="(Cancel|Try again|Give up): (\w+)', html)


def test_the_page_offers_what_each_job_can_do(world: World) -> None:
    assert "No job yet" in page(world)
    dead_letter(world)
    later(queue(world, "refused"), 1)
    run_claimed(str(Job.objects.get(kind="refused").pk), NOW)
    later(queue(world, "counting"), 2)
    html = page(world)
    assert buttons(html) == [("Cancel", "Counting"), ("Try again", "Crashing"), ("Give up", "Crashing")]
    assert html.index(">Counting<") < html.index(">Refused<") < html.index(">Crashing<")
    assert html.count("<details") == html.count("Traceback</summary>") == 1
    assert "The file is empty." in html and "It was tried 4 times." in html
    assert (
        ' style="' not in html and f'href="/projects/{world.project.slug}/jobs" aria-current="page"' in html
    )
    failed = page(world, "?show=failed")
    assert ">Crashing<" in failed and ">Counting<" not in failed and ">Refused<" not in failed


def later(job: Job, minutes: int) -> None:
    Job.objects.filter(pk=job.pk).update(created_at=NOW + timedelta(minutes=minutes))


def test_a_lead_tries_again_and_gives_up_with_plain_forms(world: World) -> None:
    job = dead_letter(world)
    lead = signed_in(world.lead)
    said = lead.post(f"/jobs/{job.pk}/retry", follow=True)
    assert "It waits for a worker again." in said.content.decode()
    assert said.redirect_chain == [(f"/projects/{world.project.slug}/jobs", 302)]
    job.refresh_from_db()
    assert job.state == "queued"
    said = lead.post(f"/jobs/{job.pk}/retry", follow=True)
    assert "can be tried again; this one is queued" in said.content.decode()
    assert "Cancelled." in lead.post(f"/jobs/{job.pk}/cancel", follow=True).content.decode()
    assert [action for action, _ in actions()] == ["job.retried", "job.cancelled"]


def test_the_owner_who_leads_nothing_cancels_on_the_page_of_the_job(world: World) -> None:
    engineer = world.member("engineer").user
    job = queue(world, "counting", engineer)
    assert f'action="/jobs/{job.pk}/cancel"' in signed_in(engineer).get(f"/jobs/{job.pk}").content.decode()
    said = signed_in(engineer).post(f"/jobs/{job.pk}/cancel", follow=True)
    assert said.redirect_chain == [(f"/jobs/{job.pk}", 302)]
    assert actions() == [("job.cancelled", engineer.pk)]


# The operator's command


def manage(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command("jobs", *arguments)
    return capsys.readouterr().out


def test_the_operator_sees_and_changes_jobs_of_no_project(capsys: pytest.CaptureFixture[str]) -> None:
    job = enqueue_job(kind="crashing", key="one", project=None, actor=None, now=NOW)
    work_to_death(job)
    assert "a secret of the machine" not in manage(capsys)
    failed = manage(capsys, "--failed")
    assert str(job.pk) in failed and "ZeroDivisionError: a secret of the machine" in failed
    assert "queued" in manage(capsys, "--retry", str(job.pk))
    assert "cancelled" in manage(capsys, "--cancel", str(job.pk))
    assert manage(capsys, "--failed") == ""
    with pytest.raises(CommandError, match="can be tried again"):
        call_command("jobs", "--retry", str(job.pk))
    assert actions() == [("job.retried", None), ("job.cancelled", None)]
