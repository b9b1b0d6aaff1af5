"""Drafts: kept while the lease runs, found again with the item, and never beside an answer that was given."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from annotation.errors import Refused
from annotation.models import Draft, Lease, Membership
from annotation.selectors_drafts import current_draft
from annotation.services import drafts
from annotation.services.drafts import DRAFT_BYTES_MAX, forget_drafts, save_draft
from annotation.services.returning import release_assignment, sweep_leases
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db

ANSWER = {"text": "Here is my answer."}
TYPED = {"text": ["Half a sent"], "note": ["hm"], "confidence": ["2"], "attempt": ["1"]}


@pytest.fixture
def world() -> World:
    world = make_world({"kind": "demonstration"})
    world.now = timezone.now()
    world.batch(items=1, completions=0)
    return world


def save(world: World, lease: Lease, text: str = "Half a sent", *, after: int = 5) -> Draft:
    return save_draft(lease=lease, fields=TYPED | {"text": [text]}, now=world.now + timedelta(seconds=after))


def found(annotator: Membership, lease: Lease) -> str | None:
    draft = current_draft(annotator, lease.assignment.item_id)
    return draft.answer["text"][0] if draft else None


def browser(annotator: Membership) -> Client:
    client = Client()
    client.force_login(annotator.user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_the_last_save_is_the_draft_and_holds_what_was_typed(world: World) -> None:
    annotator = world.member()
    lease = world.lease(annotator)
    save(world, lease, "first")
    save(world, lease, "second", after=15)
    draft = Draft.objects.get()
    assert draft.answer == {"text": ["second"], "note": ["hm"], "confidence": ["2"]}
    assert (draft.lease, draft.annotator) == (lease, annotator)
    assert draft.saved_at == world.now + timedelta(seconds=15)
    assert found(annotator, lease) == "second"


def test_the_draft_survives_its_lease_and_comes_back_with_the_item(world: World) -> None:
    annotator = world.member()
    first = world.lease(annotator)
    save(world, first)
    sweep_leases(world.now + timedelta(hours=1))
    again = world.lease(annotator, after=3600)
    assert (again.assignment.item_id, again.attempt) == (first.assignment.item_id, 2)
    assert found(annotator, again) == "Half a sent"
    save(world, again, "More", after=3700)
    assert found(annotator, again) == "More"


def test_nobody_else_finds_it(world: World) -> None:
    annotator = world.member()
    lease = world.lease(annotator)
    save(world, lease)
    assert found(world.member(), lease) is None


def test_an_answer_ends_every_older_draft_of_the_item(world: World) -> None:
    """Also one of an earlier lease: beside a repeat it would tell that the item is one (I13)."""
    annotator = world.member()
    first = world.lease(annotator)
    save(world, first, "old")
    sweep_leases(world.now + timedelta(hours=1))
    again = world.lease(annotator, after=3600)
    save(world, again, "new", after=3610)
    world.submit(again, ANSWER, after=3620)
    assert found(annotator, again) is None
    forget_drafts(timezone.now())
    assert not Draft.objects.exists()


def test_a_draft_is_over_with_its_own_answer_whatever_the_clocks_say(world: World) -> None:
    annotator = world.member()
    lease = world.lease(annotator)
    save(world, lease, after=20)
    world.submit(lease, ANSWER, after=10)
    assert found(annotator, lease) is None


def test_giving_back_ends_the_draft(world: World) -> None:
    annotator = world.member()
    lease = world.lease(annotator)
    save(world, lease)
    release_assignment(
        annotator=annotator,
        assignment=lease.assignment,
        reason="skipped",
        now=world.now + timedelta(seconds=9),
    )
    assert found(annotator, lease) is None


def test_the_sweep_keeps_what_is_still_being_written(world: World) -> None:
    annotator = world.member()
    lease = world.lease(annotator)
    save(world, lease)
    forget_drafts(timezone.now())
    sweep_leases(world.now + timedelta(hours=1))
    forget_drafts(timezone.now())
    assert found(annotator, lease) == "Half a sent"


def refusal(
    world: World, lease: Lease, fields: dict[str, list[str]] | None = None, *, after: int = 5
) -> Refused:
    with pytest.raises(Refused) as caught:
        save_draft(lease=lease, fields=fields or TYPED, now=world.now + timedelta(seconds=after))
    return caught.value


def test_only_a_running_lease_takes_a_draft(world: World) -> None:
    annotator = world.member()
    lease = world.lease(annotator)
    assert (refusal(world, lease, after=7200).status, refusal(world, lease, after=7200).code) == (
        409,
        "lease_over",
    )
    sweep_leases(world.now + timedelta(hours=1))
    again = world.lease(annotator, after=3600)
    # The first lease is over although the slot is leased, to the same person even.
    assert refusal(world, lease, after=3601).code == "lease_over"
    world.submit(again, ANSWER, after=3610)
    assert refusal(world, again, after=3620).code == "lease_over"
    assert not Draft.objects.exists()


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"text": ["a\x00"]}, 422, "not_storable"),
        ({"a\x00": ["a"]}, 422, "not_storable"),
        ({"text": ["\ud800"]}, 422, "not_storable"),
        ({"text": ["é" * (DRAFT_BYTES_MAX // 2)]}, 413, "too_large"),
    ],
)
def test_what_cannot_be_kept_is_refused(
    world: World, fields: dict[str, list[str]], status: int, code: str
) -> None:
    refused = refusal(world, world.lease(world.member()), fields)
    assert (refused.status, refused.code, [error.field for error in refused.errors]) == (
        status,
        code,
        ["draft"],
    )


def test_a_text_about_nul_is_no_nul(world: World) -> None:
    lease = world.lease(world.member())
    save(world, lease, r"Write \u0000 to end a string in C.")
    assert found(lease.annotator, lease) == r"Write \u0000 to end a string in C."


def test_the_table_holds_no_more_than_a_mebibyte(world: World) -> None:
    lease = world.lease(world.member())
    with pytest.raises(IntegrityError, match="draft_at_most_a_mebibyte"), transaction.atomic():
        Draft.objects.create(
            lease=lease, annotator=lease.annotator, answer={"text": ["x" * 1_048_577]}, saved_at=world.now
        )


# The page


def test_the_page_saves_a_draft_and_shows_it_again(world: World) -> None:
    annotator = world.member()
    lease, client = world.lease(annotator), browser(annotator)
    page = reverse("assignment", args=[lease.public_id])
    typed = {"text": "Half & <b>", "note": "later", "confidence": "3", "submission_id": "x"}
    reply = client.post(reverse("draft", args=[lease.public_id]), typed)
    assert (reply.status_code, reply.content) == (204, b"")
    assert reply["X-Draft-Saved"] == Draft.objects.get().saved_at.isoformat()
    html = client.get(page).content.decode()
    assert "\nHalf &amp; &lt;b&gt;</textarea>" in html
    assert ">later</textarea>" in html
    assert 'value="3" data-digit="3" checked' in html
    assert f'data-draft="{page}/draft"' in html


def test_a_refused_draft_says_why(world: World) -> None:
    annotator = world.member()
    lease, client = world.lease(annotator), browser(annotator)
    world.submit(lease, ANSWER)
    reply = client.post(reverse("draft", args=[lease.public_id]), {"text": "late"})
    assert reply.status_code == 409
    assert "your answer will still be taken" in reply.content.decode()
    assert "X-Draft-Saved" not in reply


def test_a_draft_of_another_person_is_not_found(world: World) -> None:
    lease = world.lease(world.member())
    reply = browser(world.member()).post(reverse("draft", args=[lease.public_id]), {"text": "x"})
    assert reply.status_code == 404
    assert not Draft.objects.exists()


def test_a_kind_that_writes_no_text_looks_for_no_draft() -> None:
    world = make_world()
    world.now = timezone.now()
    world.batch(items=1)
    annotator = world.member()
    lease, client = world.lease(annotator), browser(annotator)
    save_draft(lease=lease, fields={"note": ["half a note"]}, now=world.now)
    html = client.get(reverse("assignment", args=[lease.public_id])).content.decode()
    assert "half a note" not in html
    assert "data-draft" not in html


def test_looking_at_changes_stores_nothing_and_keeps_what_was_typed() -> None:
    world = make_world({"kind": "critique", "criteria": ["Honest"]})
    world.now = timezone.now()
    world.batch(items=1, completions=1)
    annotator = world.member()
    lease, client = world.lease(annotator), browser(annotator)
    typed = {"principles": "honest", "critique": "Not so.", "revision": "Answer 0.0, perhaps"}
    html = client.post(reverse("preview", args=[lease.public_id]), typed).content.decode()
    assert "<ins>" in html
    assert "\nNot so.</textarea>" in html
    assert "\nAnswer 0.0, perhaps</textarea>" in html
    assert 'value="honest" data-digit="1" checked' in html
    assert not Draft.objects.exists()
    world.submit(lease, {"principles": ["honest"], "critique": "No.", "revision": "Else."})
    judgment = annotator.judgments.get()
    html = client.post(reverse("correction_preview", args=[judgment.pk]), typed).content.decode()
    assert "<ins>" in html
    assert f'formaction="{reverse("correction_preview", args=[judgment.pk])}"' in html
    assert "data-draft" not in html


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("is_guarded", [True, False], ids=["guarded", "control"])
def test_a_draft_that_meets_an_answer_waits_for_it(
    world: World, is_guarded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer holds the slot when the draft arrives. Without the lock the draft is written beside the answer."""
    annotator = world.member()
    lease = world.lease(annotator)
    if not is_guarded:
        monkeypatch.setattr(drafts, "lock_slot", lambda slot: type(slot).objects.get(pk=slot.pk))
    outcome: list[str] = []

    def arrive() -> None:
        try:
            save(world, lease)
            outcome.append("kept")
        except Refused as refused:
            outcome.append(refused.code)
        finally:
            connection.close()

    with transaction.atomic():
        world.submit(lease, ANSWER)
        late = threading.Thread(target=arrive)
        late.start()
        if is_guarded:
            wait_until(is_anybody_waiting)
        else:
            late.join()
    late.join()
    assert outcome == ["lease_over" if is_guarded else "kept"]


def is_anybody_waiting() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)")
        return bool(cursor.fetchone()[0])


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "nobody came to wait"
        time.sleep(0.01)
