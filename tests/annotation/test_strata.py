"""Questions about annotators: what a lead may ask, what a person says, takes back, and what nobody can store."""

from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, transaction

from annotation.errors import Refused
from annotation.models import AuditEvent, Membership, StratumAnswer, StratumQuestion
from annotation.services.strata import QUESTIONS_MAX, answer_strata, ask_stratum
from tests.annotation.browsing import body, signed_in
from tests.comparisons.strata import OPTIONS, ask, say
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db
GOOD = {"name": "Age", "text": "How old are you?", "options": ["Under 30", "30 or over"]}


@pytest.fixture
def world() -> World:
    return make_world()


@pytest.fixture
def annotator(world: World) -> Membership:
    return world.member()


def answers(annotator: Membership) -> list[int]:
    own = StratumAnswer.objects.filter(annotator=annotator).order_by("question_id")
    return list(own.values_list("option", flat=True))


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": " "}, "name"),
        ({"name": "x" * 41}, "name"),
        ({"text": "two\nlines"}, "text"),
        ({"text": ""}, "text"),
        ({"options": ["One"]}, "options"),
        ({"options": [f"Option {n}" for n in range(13)]}, "options"),
        ({"options": ["One", "x" * 81]}, "options"),
        ({"options": ["One", "one"]}, "options"),
    ],
)
def test_an_unclear_question_is_refused(world: World, change: dict[str, object], field: str) -> None:
    with pytest.raises(Refused) as refusal:
        ask_stratum(project=world.project, actor=world.lead, now=NOW, **(GOOD | change))  # type: ignore[arg-type]
    assert [error.field for error in refusal.value.errors] == [field]
    assert not StratumQuestion.objects.exists()


def test_a_project_asks_few_questions_each_once(world: World) -> None:
    for number in range(QUESTIONS_MAX - 1):
        ask(world, name=f"Question {number}")
    with pytest.raises(Refused, match="already"):
        ask(world, name="Question 0")
    ask(world, name="Last")
    with pytest.raises(Refused, match="at most"):
        ask(world, name="One more")


def test_an_answer_is_a_consent_with_its_time(world: World, annotator: Membership) -> None:
    question = ask(world)
    say(annotator, question, 1, after=30)
    assert StratumAnswer.objects.get().given_at == NOW + timedelta(seconds=30)
    say(annotator, question, 1, after=60)
    assert StratumAnswer.objects.get().given_at == NOW + timedelta(seconds=30)
    say(annotator, question, 2, after=90)
    assert (answers(annotator), StratumAnswer.objects.get().given_at) == ([2], NOW + timedelta(seconds=90))
    assert AuditEvent.objects.filter(action="stratum.answered").count() == 2


@pytest.mark.parametrize("option", [-1, 3])
def test_an_option_that_is_none_stores_nothing(world: World, annotator: Membership, option: int) -> None:
    first, second = ask(world), ask(world, name="Other")
    with pytest.raises(Refused):
        answer_strata(
            annotator=annotator, options={first.pk: 0, second.pk: option}, actor=annotator.user, now=NOW
        )
    assert answers(annotator) == []


def test_a_question_of_another_project_is_not_there(world: World, annotator: Membership) -> None:
    with pytest.raises(Refused):
        say(annotator, ask(make_world()), 0)
    assert answers(annotator) == []


def test_the_tables_refuse_what_the_service_never_writes(world: World, annotator: Membership) -> None:
    question, foreign = ask(world), ask(make_world())
    rows = [
        StratumAnswer(question=question, annotator=annotator, option=3, given_at=NOW),
        StratumAnswer(question=foreign, annotator=annotator, option=0, given_at=NOW),
        StratumAnswer(question=question, annotator=world.member("reviewer"), option=0, given_at=NOW),
    ]
    for row in rows:
        with pytest.raises(IntegrityError, match="stratumanswer_fits_question"), transaction.atomic():
            row.save()
    say(annotator, question, 0)
    with pytest.raises(IntegrityError, match="stratumanswer_one_each"), transaction.atomic():
        StratumAnswer.objects.create(question=question, annotator=annotator, option=1, given_at=NOW)
    with pytest.raises(DatabaseError, match="stratumanswer_immutable"), transaction.atomic():
        StratumAnswer.objects.update(option=1)
    with pytest.raises(DatabaseError, match="stratumquestion_immutable"), transaction.atomic():
        StratumQuestion.objects.update(text="Something else?")


def test_a_person_answers_on_their_page_changes_their_mind_and_withdraws(
    world: World, annotator: Membership
) -> None:
    question, client = ask(world), signed_in(annotator.user)
    url, field = f"/projects/{world.project.slug}/about-you", f"question_{question.pk}"
    assert url in body(client.get("/settings"))
    page = body(client.get(url))
    assert all(option in page for option in OPTIONS) and "Prefer not to say" in page
    assert "Delete all my answers" not in page
    for sent, stored in (("2", [2]), ("0", [0]), ("", [])):
        assert client.post(url, {field: sent}).status_code == 302
        assert answers(annotator) == stored
    client.post(url, {field: "1"})
    page = body(client.get(url))
    assert "Delete all my answers" in page
    client.post(url, {field: "1", "withdraw": "1"})
    assert answers(annotator) == []


def test_what_was_not_on_the_page_stays_and_what_is_no_option_is_refused(
    world: World, annotator: Membership
) -> None:
    first, second = ask(world), ask(world, name="Other")
    client, url = signed_in(annotator.user), f"/projects/{world.project.slug}/about-you"
    say(annotator, second, 1)
    client.post(url, {f"question_{first.pk}": "0"})
    assert answers(annotator) == [0, 1]
    assert client.post(url, {f"question_{first.pk}": "7"}).status_code == 422
    assert answers(annotator) == [0, 1]


def test_a_project_that_asks_nothing_says_so_and_is_not_in_the_settings(
    world: World, annotator: Membership
) -> None:
    client, url = signed_in(annotator.user), f"/projects/{world.project.slug}/about-you"
    assert "asks nothing about you" in body(client.get(url))
    assert url not in body(client.get("/settings"))
    ask(world)
    # A lead judges nothing here, so nothing is asked of them.
    assert url not in body(signed_in(world.lead).get("/settings"))


def test_a_lead_asks_and_deletes_on_a_page_that_holds_no_answer(world: World, annotator: Membership) -> None:
    client, url = signed_in(world.lead), f"/projects/{world.project.slug}/questions"
    sent = {"name": "Age", "text": "How old are you?", "options": "Under 30\r\n\r\n 30 or over \r\n"}
    assert client.post(url, sent).status_code == 302
    question = StratumQuestion.objects.get()
    assert question.options == ["Under 30", "30 or over"]
    assert client.post(url, sent | {"name": "Other", "options": "One"}).status_code == 422
    say(annotator, question, 1)
    page = body(client.get(url))
    assert "Under 30 · 30 or over" in page and annotator.pseudonym not in page
    client.post(f"{url}/{question.pk}/delete")
    assert not StratumQuestion.objects.exists() and not StratumAnswer.objects.exists()
    assert client.post(f"{url}/{question.pk}/delete").status_code == 404
