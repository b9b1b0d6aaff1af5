"""The pages of review: what waits, one item judged blind, and the decision that settles it."""

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from annotation.models import AuditEvent, Item, Membership, User
from annotation.services.people import add_member
from annotation.services.reports import handle_report, report_item
from comparisons.models import Adjudication, BlindAnswer
from tests.annotation.browsing import body, signed_in
from tests.comparisons.adjudicated import decide, item_of
from tests.comparisons.contested import CONTESTED, SPLIT, compute, judged
from tests.conversations import PER_TURN, add_conversations
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db
ANSWER = {"q-overall": "1"}
"""B better, on a scale of three points."""
DECISION = ANSWER | {"reason": "misread", "note": "A overlooks the date.", "replaces": ""}


@pytest.fixture
def split() -> tuple[World, list[Membership]]:
    """Twelve items, four of them contested; of item 1 the fourth of four people prefers the second."""
    world, people = judged()
    compute(world)
    return world, people


@pytest.fixture
def world(split: tuple[World, list[Membership]]) -> World:
    return split[0]


@pytest.fixture
def reviewer(world: World) -> Client:
    return signed_in(world.member("reviewer").user)


def address(world: World, path: str = "") -> str:
    return f"/projects/{world.project.slug}/review{path}"


def words(response: Any) -> str:
    """What is on the page, without its mark-up."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body(response))))


def settle(client: Client, world: World, number: int = 1, **fields: str) -> Any:
    """Look without answering, then decide."""
    client.post(address(world, f"/1/{number}"), {"show": "1"})
    return client.post(address(world, f"/1/{number}/decision"), DECISION | fields)


def pseudonyms(page: str, people: list[Membership]) -> int:
    return sum(person.pseudonym in page for person in people)


def also_annotator(world: World, user: User) -> None:
    add_member(project=world.project, actor=world.lead, email=user.email, role="annotator", now=NOW)


# One item


def test_the_item_comes_alone_then_the_judgments_then_the_names(
    split: tuple[World, list[Membership]], reviewer: Client
) -> None:
    world, people = split
    before = reviewer.get(address(world, "/1/1"))
    assert "Your answer first" in words(before) and "Answer 0.0" in words(before)
    assert (
        "model-0" not in body(before) and "P1" not in words(before) and not pseudonyms(body(before), people)
    )

    assert reviewer.post(address(world, "/1/1"), ANSWER).status_code == 302
    assert BlindAnswer.objects.get().answer == {"preferred": "B", "strength": 1}
    after = reviewer.get(address(world, "/1/1"))
    assert re.findall(r"\bP\d\b", words(after)) == ["P1", "P2", "P3", "P4"]
    assert (body(after).count('say a">A better'), body(after).count('say b">B better')) == (3, 2)
    assert "Your answer before you saw them B better" in words(after)
    assert not pseudonyms(body(after), people)
    swapped = sum(j.display_order == [1, 0] for j in item_of(world).judgments.all())
    assert words(after).count("swapped") == swapped
    # The form is filled with the first answer.
    assert re.search(r'name="q-overall" value="1" checked', body(after))

    saved = reviewer.post(address(world, "/1/1/decision"), DECISION, follow=True)
    assert "Your decision on item 1 is saved." in words(saved)
    assert pseudonyms(body(saved), people) == 4 and not re.search(r"\bP1\b", words(saved))
    decision = Adjudication.objects.get()
    assert (decision.reason, decision.answer, decision.note) == (
        "misread",
        {"preferred": "B", "strength": 1},
        "A overlooks the date.",
    )
    assert decision.blind_answer == BlindAnswer.objects.get()


def test_who_looks_without_answering_is_recorded(world: World, reviewer: Client) -> None:
    reviewer.post(address(world, "/1/1"), ANSWER | {"show": "1"})
    assert BlindAnswer.objects.get().answer is None
    assert AuditEvent.objects.filter(action="review.shown_unanswered").count() == 1
    page = reviewer.get(address(world, "/1/1"))
    assert "You had the judgments shown without answering." in words(page)
    assert " checked" not in body(page).split('name="q-overall"', 1)[1].split("</fieldset>", 1)[0]


def test_nothing_is_decided_blindly(world: World, reviewer: Client) -> None:
    page = reviewer.post(address(world, "/1/1/decision"), DECISION)
    assert page.status_code == 409 and "Answer first" in words(page) and "P1" not in words(page)
    assert not Adjudication.objects.exists()


def test_an_answer_that_lacks_something_comes_back(world: World, reviewer: Client) -> None:
    page = reviewer.post(address(world, "/1/1"), {})
    assert page.status_code == 422 and "Please answer Overall." in words(page)
    assert not BlindAnswer.objects.exists() and "P1" not in words(page)
    page = settle(reviewer, world, reason="")
    assert page.status_code == 422 and "Please choose a reason." in words(page)
    assert "A overlooks the date.</textarea>" in body(page)
    assert re.search(r'name="q-overall" value="1" checked', body(page))
    assert not Adjudication.objects.exists()


def test_the_second_of_two_sees_the_decision_of_the_first_and_loses_nothing(
    world: World, reviewer: Client
) -> None:
    lead = signed_in(world.lead)
    lead.post(address(world, "/1/1"), {"show": "1"})
    settle(reviewer, world)
    page = lead.post(
        address(world, "/1/1/decision"), {"reason": "taste", "note": "Short or long?", "replaces": ""}
    )
    assert page.status_code == 409 and "Somebody else has decided" in words(page)
    assert "A overlooks the date." in words(page) and "Short or long?</textarea>" in body(page)
    first = Adjudication.objects.get()
    assert f'name="replaces" value="{first.pk}"' in body(page)
    assert re.search(r'name="reason" value="taste" checked', body(page))
    lead.post(address(world, "/1/1/decision"), {"reason": "taste", "replaces": str(first.pk)})
    assert Adjudication.objects.get(reason="taste").supersedes == first
    assert "Decisions that were replaced" in words(lead.get(address(world, "/1/1")))


def test_who_is_still_to_judge_an_item_does_not_review_it() -> None:
    world = make_world()
    world.batch(items=1)
    world.judge(world.member())
    both = world.member("reviewer").user
    also_annotator(world, both)
    client = signed_in(both)
    for page in (
        client.get(address(world, "/1/1")),
        client.post(address(world, "/1/1"), {"show": "1"}),
        client.post(address(world, "/1/1/decision"), DECISION),
    ):
        assert page.status_code == 403 and "before your own answer is in" in words(page)
    assert not BlindAnswer.objects.exists()


def test_who_judged_an_item_does_not_settle_it(split: tuple[World, list[Membership]]) -> None:
    world, people = split
    add_member(project=world.project, actor=world.lead, email=people[0].user.email, role="reviewer", now=NOW)
    client = signed_in(people[0].user)
    page = client.get(address(world, "/1/1"))
    assert page.status_code == 403 and "You judged this item yourself" in words(page)
    assert "Nothing waits for review." in words(client.get(address(world)))


@pytest.mark.parametrize(
    ("protocol", "completions", "form", "answer"),
    [
        (
            {"kind": "ranking"},
            3,
            {"rank-overall-A": "2", "rank-overall-B": "1", "rank-overall-C": "2"},
            {"ranking": [["B"], ["A", "C"]]},
        ),
        (
            {"kind": "rating", "choice": True},
            2,
            {"rating-A-overall": "3", "rating-B-overall": "5", "choice": "B"},
            {"ratings": {"A": {"overall": 3}, "B": {"overall": 5}}, "choice": "B"},
        ),
        (
            {"kind": "pairwise", "criteria": ["Kindness"]},
            2,
            {"q-kindness": "-1", "q-overall": "0", "tie-overall": "both_poor"},
            {"criteria": {"kindness": {"preferred": "A", "strength": 1}}, "tie": "both_poor"},
        ),
    ],
)
def test_each_kind_is_answered_without_script(
    protocol: dict[str, Any], completions: int, form: dict[str, str], answer: dict[str, Any]
) -> None:
    world = make_world(protocol)
    world.batch(items=1, completions=completions)
    client = signed_in(world.lead)
    asked = body(client.get(address(world, "/1/1")))
    assert all(f'name="{name}"' in asked for name in form)
    client.post(address(world, "/1/1"), form)
    assert BlindAnswer.objects.get().answer == answer
    shown = body(client.get(address(world, "/1/1")))
    for name, value in form.items():
        if name.startswith("rank"):
            assert f'value="{value}" selected' in shown.split(f'name="{name}"')[1].split("</select>")[0]
        else:
            assert f'name="{name}" value="{value}" checked' in shown
    client.post(address(world, "/1/1/decision"), form | {"reason": "guide_unclear", "replaces": ""})
    assert Adjudication.objects.get().answer == answer


def test_conversations_are_settled_turn_by_turn() -> None:
    world = make_world(PER_TURN)
    add_conversations(world, world.batch(items=0), 1, (2, 2))
    client = signed_in(world.lead)
    assert "Turn 2 of 2: which response is better here?" in words(client.get(address(world, "/1/1")))
    turns = {"q-overall-t1": "-3", "q-overall-t2": "1"}
    assert client.post(address(world, "/1/1"), turns | {"q-overall": "2"}).status_code == 302
    shown = client.get(address(world, "/1/1"))
    assert 'name="q-overall-t1" value="-3" checked' in body(shown)
    refused = client.post(address(world, "/1/1/decision"), {"q-overall": "2", "reason": "misread"})
    assert refused.status_code == 422 and "Please answer turn 1." in words(refused)
    client.post(address(world, "/1/1/decision"), turns | {"q-overall": "2", "reason": "misread"})
    decision = Adjudication.objects.get()
    assert decision.answer["turns"] == [{"preferred": "A", "strength": 3}, {"preferred": "B", "strength": 1}]
    # The turns are kept; what counts is the whole.
    assert list(decision.preferences.values_list("criterion", "preference")) == [("overall", 2)]


def test_of_written_texts_there_is_no_review() -> None:
    world = make_world({"kind": "demonstration"})
    world.batch(items=1, completions=0)
    client = signed_in(world.lead)
    assert client.get(address(world, "/1/1")).status_code == 404
    item = body(client.get(f"/projects/{world.project.slug}/batches/1/items/1"))
    assert 'id="dec-h"' not in item


def test_the_items_page_tells_what_was_decided(world: World, reviewer: Client) -> None:
    at = f"/projects/{world.project.slug}/batches/1/items/1"
    assert "No reviewer has decided on this item." in words(reviewer.get(at))
    settle(reviewer, world)
    page = words(reviewer.get(at))
    assert "Misread" in page and "A overlooks the date." in page and "contested" not in page
    decide(world, reason="taste", replaces=Adjudication.objects.get().pk)
    page = words(reviewer.get(at))
    assert "contested" in page and "People really differ here, so no answer is forced" in page


# The queue


def rows(response: Any) -> list[int]:
    return [int(number) for number in re.findall(r'href="[^"]*/review/1/(\d+)"', body(response))]


def test_contested_items_wait_the_most_contested_first_with_their_split(
    world: World, reviewer: Client
) -> None:
    page = reviewer.get(address(world))
    assert [f"row-{number}" for number in rows(page)] == CONTESTED
    assert re.findall(r"split ([\d–]+)", words(page)) == ["2–2", "2–1–1", "3–1", "3–1"]
    assert SPLIT[2:4] == ("1122", "1=22")
    assert "4 waiting 0 decided" in words(page)


def test_what_is_decided_leaves_the_queue_with_its_reason(world: World, reviewer: Client) -> None:
    settle(reviewer, world, 4, reason="broken")
    page = reviewer.get(address(world))
    assert rows(page) == [3, 1, 2] and "3 waiting 1 decided" in words(page)
    decided = reviewer.get(address(world, "?show=decided"))
    assert rows(decided) == [4] and "Broken item" in words(decided)
    assert "decided already" in words(signed_in(world.lead).get(address(world, "/1/4")))
    # From a decided item the way on is the first that waits, and between those that wait one by one.
    assert rows(reviewer.get(address(world, "/1/4"))) == [3]
    assert set(rows(reviewer.get(address(world, "/1/1")))) == {3, 2}


def test_reported_items_wait_behind_the_contested_ones(
    split: tuple[World, list[Membership]], reviewer: Client
) -> None:
    world, people = split
    for number in (9, 1):
        report = report_item(annotator=people[0], item=item_of(world, number), reason="broken", now=NOW)
    page = reviewer.get(address(world))
    assert rows(page) == [3, 4, 1, 2, 9] and "split 3–1, reported" in words(page)
    handle_report(report=report, actor=world.lead, now=NOW)
    assert "split 3–1, reported" not in words(reviewer.get(address(world)))


def test_before_the_first_computation_a_sentence_says_so() -> None:
    world = make_world()
    world.batch(items=1)
    page = words(signed_in(world.lead).get(address(world)))
    assert "the statistics have not been computed" in page and "Nothing waits for review." in page


def test_who_still_judges_sees_no_queue(world: World) -> None:
    both = world.member("reviewer").user
    client = signed_in(both)
    assert rows(client.get(address(world)))
    also_annotator(world, both)
    world.batch(items=1)
    for show in ("", "?show=decided"):
        page = client.get(address(world, show))
        assert rows(page) == [] and "once nothing is left for you to judge" in words(page)


def test_the_queue_is_paged_and_items_of_others_are_not_there(
    world: World, reviewer: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("comparisons.views_review.ITEMS_A_PAGE", 3)
    assert len(rows(reviewer.get(address(world)))) == 3
    assert rows(reviewer.get(address(world, "?page=2"))) == [2]
    elsewhere = make_world()
    elsewhere.batch(items=1)
    assert reviewer.get(address(elsewhere, "/1/1")).status_code == 404
    assert reviewer.get(address(world, "/1/99")).status_code == 404
    assert Item.objects.filter(project=world.project, number=99).count() == 0


def test_the_statistics_lead_to_review(world: World, reviewer: Client) -> None:
    link = f'href="{address(world)}"'
    contested = "Settle them in review"
    for client, leads in ((reviewer, True), (signed_in(world.member("engineer").user), False)):
        page = body(client.get(f"/projects/{world.project.slug}/statistics"))
        assert (contested in page) is leads and (link in page) is leads
