"""Agreement from judgment to page: computed by a job, kept for ever, shown with n or with a sentence."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.test import Client, RequestFactory

from annotation.jobs import run_claimed
from annotation.models import Criterion, Job
from comparisons.models import AgreementReport
from comparisons.panels import agreement_panel
from comparisons.selectors import latest_agreement
from comparisons.services.agreement import enqueue_stale_agreement, start_agreement
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db


def judged(items: int, *, people: int = 2, flip_every: int = 5) -> World:
    """Items judged by the same people: all prefer the first completion of even items, the second of odd
    ones, except that the last person turns every `flip_every`-th answer."""
    world = make_world({"kind": "pairwise", "points": 7, "overlap": people})
    world.batch(items=items)
    members = [world.member() for _ in range(people)]
    for person, member in enumerate(members):
        for _ in range(items):
            lease = world.lease(member)
            number = lease.assignment.item.number
            better = number % 2
            if person == people - 1 and number % flip_every == 0:
                better = 1 - better
            label = "AB"[lease.display_order.index(better)]
            world.submit(lease, {"preferred": label, "strength": 2})
    return world


def computed(world: World, *, after: int = 60, seed: int = 0) -> list[AgreementReport]:
    job = start_agreement(project=world.project, actor=world.lead, now=NOW, seed=seed)
    run_claimed(str(job.pk), NOW + timedelta(seconds=after))
    job.refresh_from_db()
    assert job.state == Job.State.SUCCEEDED, job.error
    return latest_agreement(world.project)


def test_enough_items_give_alpha_with_interval_and_n() -> None:
    reports = computed(judged(40))
    assert [(r.criterion, r.level) for r in reports] == [("overall", "nominal"), ("overall", "ordinal")]
    for report in reports:
        assert report.value is not None
        assert report.low is not None
        assert report.high is not None
        assert report.low <= report.value <= report.high
        assert (report.items, report.judgments, report.annotators, report.reason) == (40, 80, 2, "")
    # 8 of 40 pairs disagree; with both values equally frequent α = 1 − 79 · 8 · 2 / (2 · 40 · 40).
    assert reports[0].value == pytest.approx(1 - 79 * 8 * 2 / (2 * 40 * 40), abs=1e-9)
    assert reports[0].raw_agreement == pytest.approx(0.8)


def test_too_few_items_give_a_sentence() -> None:
    reports = computed(judged(3))
    assert {r.reason for r in reports} == {"Needs 30 shared items, has 3."}
    assert {r.value for r in reports} == {None}


def test_no_judgments_at_all_give_a_sentence() -> None:
    reports = computed(make_world())
    assert [(r.criterion, r.reason) for r in reports] == [("overall", "Needs 30 shared items, has 0.")] * 2


def test_a_job_that_runs_again_adds_nothing() -> None:
    world = judged(3)
    computed(world)
    job = Job.objects.get(kind="compute_agreement")
    Job.objects.filter(pk=job.pk).update(state=Job.State.QUEUED)
    run_claimed(str(job.pk), NOW)
    assert AgreementReport.objects.count() == 2


def test_reports_are_never_changed() -> None:
    report = computed(judged(3))[0]
    with pytest.raises(DatabaseError, match="agreementreport_immutable"), transaction.atomic():
        AgreementReport.objects.filter(pk=report.pk).update(reason="better")
    with pytest.raises(DatabaseError, match="agreementreport_immutable"), transaction.atomic():
        AgreementReport.objects.filter(pk=report.pk).delete()


def test_a_number_without_interval_is_refused_by_the_table() -> None:
    report = computed(judged(3))[0]
    report.pk, report.level, report.value, report.reason = None, "interval", 0.5, ""
    with pytest.raises(DatabaseError, match="agreementreport_number_or_reason"), transaction.atomic():
        report.save(force_insert=True)


def queued(world: World) -> int:
    return Job.objects.filter(kind="compute_agreement", project=world.project).count()


def test_new_judgments_are_computed_by_themselves_and_only_once() -> None:
    world = judged(2)
    idle = make_world()
    enqueue_stale_agreement(NOW)
    enqueue_stale_agreement(NOW)
    assert (queued(world), queued(idle)) == (1, 0)
    run_claimed(str(Job.objects.get(kind="compute_agreement").pk), NOW)
    assert len(latest_agreement(world.project)) == 2

    computed_at = latest_agreement(world.project)[0].computed_at
    enqueue_stale_agreement(computed_at + timedelta(hours=1))
    assert queued(world) == 1, "nothing new was judged"

    world.batch(items=1)
    world.judge(world.member())
    enqueue_stale_agreement(computed_at + timedelta(seconds=5))
    assert queued(world) == 1, "too soon after the last computation"
    enqueue_stale_agreement(computed_at + timedelta(seconds=31))
    assert queued(world) == 2


def api(world: World, role: str) -> Any:
    user = world.lead if role == "lead" else world.member(role).user
    return Client(headers={"authorization": f"Bearer {world.token(user)}"})


def test_api_answers_as_documented() -> None:
    world = judged(40)
    client = api(world, "reviewer")
    url = f"/api/v1/projects/{world.project.slug}/agreement"
    assert client.get(url).json() == {"computed_at": None, "results": []}
    computed(world)
    body = client.get(url).json()
    assert body["computed_at"] is not None
    nominal, ordinal = body["results"]
    assert (nominal["criterion"], nominal["coefficient"], nominal["level"]) == (
        "overall",
        "krippendorff_alpha",
        "nominal",
    )
    assert nominal["low"] <= nominal["value"] <= nominal["high"]
    assert (nominal["items"], nominal["judgments"], nominal["scale"]) == (40, 80, [-3, 3])
    assert "reason" not in nominal
    assert ordinal["level"] == "ordinal"


def test_api_gives_null_and_a_reason() -> None:
    world = judged(2)
    computed(world)
    first = (
        api(world, "engineer").get(f"/api/v1/projects/{world.project.slug}/agreement").json()["results"][0]
    )
    assert (first["value"], first["low"], first["high"]) == (None, None, None)
    assert first["reason"] == "Needs 30 shared items, has 2."


def test_annotators_do_not_see_agreement() -> None:
    world = judged(2)
    url = f"/api/v1/projects/{world.project.slug}/agreement"
    assert api(world, "annotator").get(url).status_code == 403
    assert api(make_world(), "lead").get(url).status_code == 404


def panel_html(world: World, role: str) -> str | None:
    from django.template.loader import render_to_string

    request = RequestFactory().get("/")
    request.user = world.lead if role == "lead" else world.member(role).user
    panel = agreement_panel(request, world.project)
    return panel and render_to_string(panel.template_name, panel.context, request=request)


def test_panel_shows_the_number_with_its_interval_and_n() -> None:
    world = judged(40)
    computed(world)
    html = panel_html(world, "lead")
    assert html is not None
    report = latest_agreement(world.project)[0]
    assert f"{report.value:.2f}" in html
    assert f"[{report.low:.2f}, {report.high:.2f}]" in html
    assert 'role="img"' in html
    assert "from 80 answers to 40 items" in html
    assert "style=" not in html
    assert "Overall" in html


def test_panel_shows_the_sentence_and_is_not_for_annotators() -> None:
    world = judged(2)
    assert "Not computed yet" in str(panel_html(world, "reviewer"))
    computed(world)
    html = panel_html(world, "reviewer")
    assert html is not None
    assert "Needs 30 shared items, has 2." in html
    assert "<svg" not in html
    assert panel_html(world, "annotator") is None


def test_command_prints_each_criterion(capsys: pytest.CaptureFixture[str]) -> None:
    world = judged(2)
    call_command("compute_agreement", world.project.slug, "--seed", "3")
    assert "overall nominal: Needs 30 shared items, has 2. (2 items, 4 judgments)" in capsys.readouterr().out
    assert {r.seed for r in latest_agreement(world.project)} == {3}
    with pytest.raises(CommandError, match="no project 'nowhere'"):
        call_command("compute_agreement", "nowhere")


def test_several_criteria_have_reports_of_their_own() -> None:
    world = make_world(
        {
            "kind": "pairwise",
            "points": 7,
            "overlap": 2,
            "criteria": [{"key": "correctness", "name": "Correctness", "question": "Which is right?"}],
        }
    )
    world.batch(items=1)
    for _ in range(2):
        world.judge(
            world.member(),
            {
                "preferred": "A",
                "strength": 2,
                "criteria": {"correctness": {"preferred": "B", "strength": 1}},
            },
        )
    assert [r.criterion for r in computed(world)] == ["correctness", "correctness", "overall", "overall"]
    assert Criterion.objects.filter(protocol__project=world.project).count() == 2
