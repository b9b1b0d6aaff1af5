"""The view of differences: when it is offered, what it marks, what it costs, and that its use is kept."""

import html
import re
from datetime import timedelta

import pgtrigger
import pytest
from django.db import DatabaseError, transaction
from django.test import Client
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from annotation.models import Assignment, AuditEvent, Completion, Lease, ViewUse
from annotation.rendering import is_comparable, marked_differences
from annotation.rendering.differences import (
    LENGTH_LIMIT,
    STEP_BUDGET,
    Budget,
    changes,
    word_overlap,
)
from annotation.services.projects import publish_consent_text
from tests.annotation.browsing import signed_in
from tests.factories import World, make_world

NEAR = ["Sort the pairs, then sweep once.", "Sort the pairs first, then sweep once."]
FAR = ["Sort the pairs, then sweep once.", "Bananas grow in bunches; pick them green."]


def marks(rendered: str) -> list[str]:
    return [html.unescape(mark) for mark in re.findall(r"<mark>(.*?)</mark>", rendered, re.S)]


def text(rendered: str) -> str:
    return html.unescape(re.sub(r"<[^>]*>", "", rendered))


# What is marked


@pytest.mark.parametrize(
    ("a", "b", "overlap"),
    [
        ("a b c d", "a b c d", 1),
        ("a b c d", "a b c e", 0.75),
        ("a a b", "a b b", 2 / 3),
        ("one two", "three four", 0),
        ("", "", 1),
        ("", "word", 0),
        ("!!! ???", "...", 1),
        ("潮汐变化", "潮汐不变", 0.75),
    ],
)
def test_overlap_is_the_share_of_common_words(a: str, b: str, overlap: float) -> None:
    assert word_overlap(a, b) == pytest.approx(overlap)
    assert word_overlap(b, a) == pytest.approx(overlap)


def test_the_view_is_offered_from_55_percent_on_for_texts_that_differ() -> None:
    common = " ".join(f"w{n}" for n in range(11))
    at_the_limit = [f"{common} " + " ".join(f"{side}{n}" for n in range(9)) for side in "xy"]
    assert word_overlap(*at_the_limit) == 0.55
    assert is_comparable(*at_the_limit)
    assert not is_comparable(*(f"{side} {one}" for side, one in zip("pq", at_the_limit, strict=True)))
    assert not is_comparable("same words", "same words")
    assert not is_comparable("long " * LENGTH_LIMIT, "long " * LENGTH_LIMIT + "end")


def test_words_inside_a_changed_line_are_marked_and_only_those() -> None:
    a, b = marked_differences("One.\nSort the list.\nEnd.", "One.\nSort the tuple now.\nEnd.")
    assert marks(a) == ["list"]
    assert marks(b) == ["tuple now"] or marks(b) == ["tuple", " now"]
    assert text(a) == "One.\nSort the list.\nEnd." and text(b) == "One.\nSort the tuple now.\nEnd."


def test_a_line_that_only_one_has_is_marked_whole() -> None:
    a, b = marked_differences("One.\nTwo.\nThree.", "One.\nThree.")
    assert marks(a) == ["Two.\n"] and marks(b) == []


def test_markup_and_invisible_characters_are_shown_not_obeyed() -> None:
    a, b = marked_differences("safe <b>bold</b>", "safe </mark><script>x</script>\u202e")
    assert "<script" not in b and "<b>" not in a
    assert "U+202E" in b


words = st.text(alphabet="ab \n.<&\ré潮", max_size=40)


@given(words, words)
def test_nothing_is_lost_and_what_is_not_marked_is_the_same(a: str, b: str) -> None:
    rendered = marked_differences(a, b)
    assert [text(side) for side in rendered] == [
        side.replace("\r\n", "\n").replace("\r", "\n") for side in (a, b)
    ]
    common = [re.sub(r"<mark>.*?</mark>", "", side, flags=re.S) for side in rendered]
    assert text(common[0]) == text(common[1])


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
def test_the_marked_stretches_are_the_fewest_possible(a: list[str], b: list[str]) -> None:
    """Against the longest common subsequence by the textbook's table."""
    spans = changes(a, b, Budget())
    changed = sum(i2 - i1 + j2 - j1 for i1, i2, j1, j2 in spans)
    table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
    assert changed == len(a) + len(b) - 2 * table[-1][-1]


def test_two_texts_made_to_be_slow_stay_within_the_budget() -> None:
    a = " ".join(f"w{n % 97}" for n in range(5000))
    b = " ".join(f"w{n % 89}" for n in range(5000))
    budget = Budget()
    assert changes(a.split(" "), b.split(" "), budget)
    assert budget.left > -STEP_BUDGET
    marked = marked_differences(a, b)
    assert [text(side) for side in marked] == [a, b]


# The page


@pytest.fixture
def world(db: None) -> World:
    world = make_world()
    world.now = timezone.now()
    return world


def leased(world: World, texts: list[str]) -> tuple[Lease, Client, str]:
    world.item(world.batch(0), 1, texts)
    lease = world.lease(world.member())
    return lease, signed_in(lease.annotator.user), f"/assignments/{lease.public_id}"


def test_a_near_pair_has_the_button_and_its_use_is_kept_once(world: World) -> None:
    lease, client, page = leased(world, NEAR)
    assert f'value="{page}/differences"' in client.get(page).content.decode()
    assert not ViewUse.objects.exists()
    for _ in range(2):
        answer = client.post(f"{page}/differences")
        assert answer.status_code == 200
        assert answer["Cache-Control"].startswith("max-age=0") and "no-store" in answer["Cache-Control"]
    use = ViewUse.objects.get()
    assert (use.lease, use.view) == (lease, "differences")
    assert AuditEvent.objects.filter(action="view.used").count() == 1
    shown = answer.content.decode()
    sides = re.findall(r'data-side="([ab])">(.*?)</div>', shown, re.S)
    assert [side for side, _ in sides] == ["a", "b"]
    assert [text(side) for _, side in sides] == [NEAR[position] for position in lease.display_order]
    assert "model-" not in shown


def test_a_far_pair_has_neither_button_nor_view(world: World) -> None:
    _, client, page = leased(world, FAR)
    assert f"{page}/differences" not in client.get(page).content.decode()
    assert client.post(f"{page}/differences").status_code == 404
    assert not ViewUse.objects.exists()


@pytest.mark.django_db
def test_other_kinds_have_no_view_of_differences() -> None:
    world = make_world({"kind": "ranking"})
    world.now = timezone.now()
    _, client, page = leased(world, NEAR)
    assert f"{page}/differences" not in client.get(page).content.decode()
    assert client.post(f"{page}/differences").status_code == 404


def test_whole_conversations_are_compared_with_their_turns(world: World) -> None:
    lease, client, page = leased(world, NEAR)
    for completion in lease.assignment.item.completions.all():
        said = completion.messages[0]["content"]
        turns = [
            {"role": "assistant", "content": "Which pairs?"},
            {"role": "user", "content": "These."},
            {"role": "assistant", "content": said},
        ]
        replace_messages(completion.pk, turns)
    shown = text(client.post(f"{page}/differences").content.decode())
    assert shown.count("[user]\nThese.") == 2 and "Sort the pairs first" in shown


def replace_messages(pk: int, turns: list[dict[str, str]]) -> None:
    """Completions never change; this one is made another before anybody has read it."""
    with pgtrigger.ignore():
        Completion.objects.filter(pk=pk).update(messages=turns)


def test_the_view_ends_with_the_lease(world: World) -> None:
    lease, client, page = leased(world, NEAR)
    world.submit(lease, after=1)
    assert client.post(f"{page}/differences").status_code == 409
    lease, client, page = leased(world, NEAR)
    an_hour_ago = timezone.now() - timedelta(hours=1)
    Assignment.objects.filter(pk=lease.assignment_id).update(expires_at=an_hour_ago)
    assert client.post(f"{page}/differences").status_code == 409
    assert not ViewUse.objects.exists()


def test_a_new_consent_text_comes_first(world: World) -> None:
    _, client, page = leased(world, NEAR)
    publish_consent_text(project=world.project, actor=world.lead, text="New.", now=world.now)
    assert client.post(f"{page}/differences").status_code == 409


def test_a_use_never_changes(world: World) -> None:
    _, client, page = leased(world, NEAR)
    client.post(f"{page}/differences")
    for change in (lambda: ViewUse.objects.all().delete(), lambda: ViewUse.objects.update(at=world.now)):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
