"""Training on the pages, and why there is nothing to judge: what each page says, and to whom."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from annotation.models import Assignment, Judgment, Membership, TrainingTry
from annotation.services.batches import staff_batch
from annotation.services.people import pause_annotator
from annotation.services.projects import publish_consent_text, set_limits
from annotation.services.returning import sweep_leases
from annotation.services.training import qualify
from tests.annotation.browsing import signed_in
from tests.annotation.test_pages_annotator import filled, lease
from tests.annotation.training import gold_item, held, side, training_batch
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db

HOSTILE = "<script>alert(1)</script> & “quoted”"


@pytest.fixture
def world() -> World:
    world = make_world()
    world.now = timezone.now()
    return world


@pytest.fixture
def annotator(world: World) -> Membership:
    return world.member()


@pytest.fixture
def client(annotator: Membership) -> Client:
    return signed_in(annotator.user)


def page(client: Client, path: str = "/") -> str:
    """The page that a browser ends on."""
    response = client.get(path, follow=True)
    assert response.status_code == 200
    return str(response.content.decode())


def answer(client: Client, world: World, annotator: Membership, *, is_right: bool) -> str:
    """Get an item, answer it, and read the page that follows."""
    url = lease(client, world)
    form = filled(client, url, **{"q-overall": side(held(annotator), is_right=is_right)})
    response = client.post(f"{url}/judgments", form, follow=True)
    assert response.status_code == 200
    return str(response.content.decode())


def told(text: str) -> str:
    """The panel about the last answer, or nothing."""
    start = text.find('<section class="told"')
    return "" if start < 0 else text[start : text.index("</section>", start)]


def test_home_and_invitation_show_training_first(world: World, client: Client) -> None:
    training_batch(world, items=3)
    world.batch(items=2)
    for path in ("/", f"/projects/{world.project.slug}/task"):
        text = page(client, path)
        assert "Training: 3 items" in text and "pass mark 80 %" in text and "try 1 of 2" in text
    text = page(client)
    assert text.index("Training: 3 items") < text.index("After the training:") < text.index("Batch 2")
    lease(client, world)
    assert Assignment.objects.get(state="leased").purpose == "training"


def test_feedback_stands_above_the_next_item(world: World, annotator: Membership, client: Client) -> None:
    training_batch(world, items=3, why=HOSTILE)
    url = lease(client, world)
    text = page(client, url)
    assert "Training, try 1 of 2" in text and told(text) == ""
    shown = "A" if held(annotator).display_order[0] == 0 else "B"
    wrong = "B" if shown == "A" else "A"
    first = answer(client, world, annotator, is_right=False)
    assert "not the expected one" in told(first)
    assert f"{shown} better, 2 of 3" in told(first)
    assert f"{wrong} better, 2 of 3" in told(first)
    assert "Question 1.1?" in told(first)
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; “quoted”" in told(first)
    assert "<script>alert" not in first
    second = answer(client, world, annotator, is_right=True)
    assert "Your last answer was right" in told(second)
    assert "Expected" not in told(second) and "Question 1.2?" in told(second)
    # It stays however often the page is loaded.
    again = page(client, lease(client, world))
    assert told(again) == told(second)


def test_htmx_gets_the_feedback_with_the_next_item(
    world: World, annotator: Membership, client: Client
) -> None:
    training_batch(world, items=2)
    url = lease(client, world)
    form = filled(client, url, **{"q-overall": side(held(annotator), is_right=True)})
    response = client.post(f"{url}/judgments", form, headers={"HX-Request": "true"})
    text = response.content.decode()
    assert "<html" not in text and "Your last answer was right" in told(text)


def test_progress_counts_the_try_and_its_answers_are_final(
    world: World, annotator: Membership, client: Client
) -> None:
    training_batch(world, items=3)
    text = answer(client, world, annotator, is_right=True)
    assert 'value="1" max="3"' in text
    judged = Judgment.objects.get()
    assert f"/judgments/{judged.pk}/undo" not in text
    work = page(client, f"/projects/{world.project.slug}/work")
    assert "Question 1.1?" in work and f"/judgments/{judged.pk}/undo" not in work


def test_a_late_answer_in_training_says_that_the_item_comes_again(
    world: World, annotator: Membership, client: Client
) -> None:
    training_batch(world, items=2)
    url = lease(client, world)
    form = filled(client, url, **{"q-overall": side(held(annotator), is_right=True)})
    sweep_leases(timezone.now() + timedelta(days=1))
    text = client.post(f"{url}/judgments", form, follow=True).content.decode()
    assert Judgment.objects.get().state == "late"
    assert "this item of the training comes again" in text and "already been completed" not in text
    assert "Question 1.1?" in text and told(text) == ""


def test_passing_is_said_and_work_begins(world: World, annotator: Membership, client: Client) -> None:
    training_batch(world, items=2)
    world.batch(items=2)
    answer(client, world, annotator, is_right=True)
    text = answer(client, world, annotator, is_right=True)
    assert "Training passed:</b> 2 of 2 right" in told(text)
    assert "Question 2.1?" in text and "Training, try" not in text
    assert "Training:" not in page(client)
    text = answer(client, world, annotator, is_right=True)
    assert told(text) == ""


def test_a_failed_try_starts_over_and_a_second_one_ends_it(
    world: World, annotator: Membership, client: Client
) -> None:
    batch = training_batch(world, items=2)
    world.batch(items=2)
    answer(client, world, annotator, is_right=True)
    text = answer(client, world, annotator, is_right=False)
    assert "Try 1 not passed:</b> 1 of 2 right, and 80 % passes. You can try once more" in told(text)
    assert "Training, try 2 of 2" in text and 'value="0" max="2"' in text
    answer(client, world, annotator, is_right=False)
    text = answer(client, world, annotator, is_right=False)
    assert "Training not passed</h1>" in text and "Ask your project lead" in text
    assert "Try 2 not passed:</b> 0 of 2 right, and 80 % passes.</p>" in told(text)
    assert [t.right for t in TrainingTry.objects.order_by("number")] == [1, 0]
    assert "both tries used" in page(client) and "After the training" not in page(client)
    assert "Training not passed</h1>" in page(client, f"/projects/{world.project.slug}/task")
    qualify(annotator=annotator, batch=batch, actor=world.lead, now=timezone.now())
    text = page(client, lease(client, world))
    assert "Question 2.1?" in text and "Your project lead has let you in." in told(text)


def test_progress_does_not_tell_which_item_is_a_check(
    world: World, annotator: Membership, client: Client
) -> None:
    """Bar and home move alike after work and gold."""
    batch = world.batch(items=9, overlap=1, gold_share=0.9)
    for number in range(10, 13):
        gold_item(world, batch, number)
    purposes, seen = set(), []
    for done in range(6):
        url = lease(client, world)
        purposes.add(held(annotator).assignment.purpose)
        bar = page(client, url)
        bar = bar[bar.index('<div class="bar-mid">') : bar.index('<div class="bar-end">')]
        assert re.sub(r"\s+|<[^>]+>", "", bar) == f"{done}done"
        form = filled(client, url, **{"q-overall": "2"})
        client.post(f"{url}/judgments", form)
        seen.append(re.search(r'<p class="num">(\d+) <span class="subtle">done', page(client)).group(1))  # type: ignore[union-attr]
    assert purposes == {"work", "gold"}
    assert seen == [str(n) for n in range(1, 7)]


def nothing(client: Client, world: World, **headers: str) -> str:
    """What pressing Continue leads to."""
    path = f"/projects/{world.project.slug}/lease"
    response = client.post(path, headers=headers, follow=True)
    assert response.redirect_chain[-1][0] == f"/projects/{world.project.slug}/done"
    return str(response.content.decode())


def limit(world: World, **fields: Any) -> None:
    wanted = {"daily_cap": None, "exposure": {}, "exclusion_limit": 3} | fields
    set_limits(project=world.project, actor=world.lead, now=world.now, **wanted)


def test_the_cap_of_the_day_is_said(world: World, annotator: Membership, client: Client) -> None:
    world.batch(items=3)
    limit(world, daily_cap=1)
    text = answer(client, world, annotator, is_right=True)
    assert "Done for today</h1>" in text and "at most 1 judgment a day" in text
    assert "Come back tomorrow" in text and "Look again" not in text
    assert "Done for today" in page(client)
    assert "Done for today</h1>" in page(client, f"/projects/{world.project.slug}/task")


def test_the_cap_of_a_batch_is_said(world: World, annotator: Membership, client: Client) -> None:
    world.batch(items=3, cap_per_annotator=1)
    text = answer(client, world, annotator, is_right=True)
    assert "You have done your share</h1>" in text and "yours in Batch 1" in text
    assert "tomorrow" not in text


def test_the_limit_of_exposure_is_said_without_its_category(world: World, client: Client) -> None:
    batch = world.batch(items=0)
    world.item(batch, 1, ["yes", "no"], category="violence")
    limit(world, exposure={"violence": 0})
    text = nothing(client, world)
    assert "enough of this for today</h1>" in text and "violence" not in text


def test_what_is_for_others_is_said(world: World, client: Client) -> None:
    batch = world.batch(items=2)
    other = world.member()
    staff_batch(batch=batch, annotators=[other], actor=world.lead, now=world.now)
    text = nothing(client, world)
    assert "No more items for you</h1>" in text and "Look again" in text
    assert "Batch 1" not in page(client)
    assert "Batch 1" in page(signed_in(other.user))


def test_a_batch_for_a_skill_is_shown_to_who_has_it(
    world: World, annotator: Membership, client: Client
) -> None:
    world.batch(items=2, skill="maths")
    assert "Batch 1" not in page(client)
    annotator.skills = ["maths"]
    annotator.save(update_fields=["skills"])
    assert "Batch 1" in page(client)


def test_a_finished_project_is_done(world: World, annotator: Membership, client: Client) -> None:
    world.batch(items=1, overlap=1)
    assert "Batch done. Thank you." in answer(client, world, annotator, is_right=True)


def pause(world: World, annotator: Membership) -> None:
    pause_annotator(annotator=annotator, reason="secret reason", actor=world.lead, now=world.now)


def test_a_pause_is_said_and_its_reason_is_not(world: World, annotator: Membership, client: Client) -> None:
    world.batch(items=2)
    pause(world, annotator)
    for text in (
        nothing(client, world),
        page(client, f"/projects/{world.project.slug}/task"),
        page(client, f"/projects/{world.project.slug}/done"),
    ):
        assert "You are paused</h1>" in text and "secret reason" not in text and "Finish it" not in text
    assert "You are paused" in page(client)
    assert not Assignment.objects.filter(state="leased").exists()


def test_who_is_paused_finishes_what_they_hold(world: World, annotator: Membership, client: Client) -> None:
    world.batch(items=2)
    url = lease(client, world)
    pause(world, annotator)
    assert f'href="{url}"' in page(client, f"/projects/{world.project.slug}/done")
    assert "Continue" in page(client)
    text = answer(client, world, annotator, is_right=True)
    assert "You are paused</h1>" in text and "Finish it" not in text
    assert Judgment.objects.get().state == "accepted"


def test_consent_leads_to_the_guide(world: World, client: Client) -> None:
    world.batch(items=2)
    publish_consent_text(project=world.project, actor=world.lead, text="We keep answers.", now=world.now)
    response = client.get(f"/projects/{world.project.slug}/done")
    assert (response.status_code, response["Location"]) == (302, f"/projects/{world.project.slug}/guide")
    assert "We keep answers." in page(client, f"/projects/{world.project.slug}/done")
