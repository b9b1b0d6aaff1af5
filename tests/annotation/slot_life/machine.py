"""Everything that may happen to a slot, as rules of a state machine over a small world.

Calls go the way of a request: an access function first, then a service, with the machine's own clock. Draws are
plain numbers, and answers name a completion and not a label, so that an example takes one course whatever the
random ids and the order on the screen.
"""

import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.http import Http404
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from rest_framework.renderers import JSONRenderer

from annotation.access import access_annotator, access_judgment, access_lease
from annotation.errors import Refused
from annotation.invariants import violations
from annotation.models import Assignment, Exclusion, Item, Judgment, Lease, Membership, Receipt
from annotation.services import judgments, leases, returning
from annotation.services.batches import close_batch
from annotation.services.overlap import raise_overlap, set_priorities
from annotation.services.people import give_consent, pause_annotator, resume_annotator
from annotation.services.projects import publish_consent_text
from annotation.services.voiding import void_judgment
from tests.annotation.engine.people import add_gold
from tests.annotation.slot_life.model import HELD_MAX, Acknowledged, Given, Model, Person, Slot, Written
from tests.factories import World, make_world

LEASE_SECONDS = 60
CLOSING_FROM = 15
"""Steps that a batch stays open at least: little can happen afterwards."""
WARM_UP = 11
"""Answers of one person after which the first may be repeated."""
PREFERENCES = (-2, 3)
"""The answers there are, and "can't judge" (None) beside them."""
NO_DRAW = next(seed for seed in range(1000) if random.Random(seed).random() > 0.9)
"""A seed that mixes in neither gold nor a repeat."""


@dataclass(frozen=True)
class Shape:
    """What kind of world it is."""

    items: int
    overlap: int
    people: int
    has_gold: bool
    has_priorities: bool
    special: str
    """sequential, repeats, capped, or empty."""


shapes = st.builds(
    Shape,
    items=st.integers(2, 3),
    overlap=st.sampled_from([1, 1, 2, 3]),
    people=st.integers(3, 4),
    has_gold=st.booleans(),
    has_priorities=st.booleans(),
    special=st.sampled_from(["", "sequential", "capped", "repeats", "sequential", "capped"]),
)
who = st.integers(0, 3)
which = st.integers(0, 5)
"""0: a new one; else counted from the last one back, as what happened just now is what two tabs quarrel about.
Every example leaves some rules out, so each of them makes what it needs."""
answers = st.sampled_from([*PREFERENCES, None])
seeds = st.integers(0, 9)


class SlotLife(RuleBasedStateMachine):
    world: World
    model: Model

    def __init__(self) -> None:
        super().__init__()
        # Everything an example does is rolled back at its end; services nest their savepoints inside.
        self.block = transaction.atomic()
        self.block.__enter__()
        self.steps = 0

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.block.__exit__(None, None, None)

    @initialize(shape=shapes)
    def build(self, shape: Shape) -> None:
        self.shape = shape
        self.world = make_world()
        self.now = self.world.now
        is_sequential, has_repeats = shape.special == "sequential", shape.special == "repeats"
        shares = {"gold_share": 0.4 if shape.has_gold else 0.0, "repeat_share": 0.5 if has_repeats else 0.0}
        self.batch = self.world.batch(
            items=0,
            overlap=shape.overlap,
            lease_seconds=LEASE_SECONDS,
            overlap_policy="sequential" if is_sequential else "",
            overlap_max=shape.overlap + 2 if is_sequential else None,
            cap_per_annotator=2 if shape.special == "capped" else None,
            **shares,
        )
        self.model = Model(
            lease_seconds=LEASE_SECONDS,
            cap=self.batch.cap_per_annotator,
            overlap_max=self.batch.overlap_max,
            **shares,
        )
        self.people = [self.world.member() for _ in range(shape.people)]
        self.model.people = {person.pk: Person() for person in self.people}
        self.attempts: dict[int, int] = {}
        self.has_item: set[tuple[int, int, str]] = set()
        """(person, item, purpose) that may never be leased again: answered, refused or late."""
        warm = WARM_UP if has_repeats else 0
        for number in range(1, warm + shape.items + 1):
            overlap = 1 if number <= warm else shape.overlap
            self.add(self.world.item(self.batch, number, ["One.", "Two."], target_overlap=overlap))
        if shape.has_gold:
            for item in add_gold(self.world, self.batch):
                self.add(item)
                self.model.gold.add(item.pk)
        for _ in range(warm):
            given = self.lease_of(self.people[0], NO_DRAW)
            assert given is not None
            self.submit_under(given, PREFERENCES[0])

    def add(self, item: Item) -> None:
        self.model.targets[item.pk] = item.target_overlap
        self.learn(item.pk, {item.target_overlap})

    def learn(self, item: int, allowed: set[int]) -> int:
        """Take note of the item's new work slots, which must be one of `allowed` in number."""
        found = Assignment.objects.filter(item=item, purpose="work").values_list("pk", flat=True)
        new = set(found) - set(self.model.slots)
        assert len(new) in allowed, f"item {item} got {len(new)} new slots"
        self.model.learn(item, new)
        return len(new)

    # Leases

    @rule(who=who, seed=seeds)
    def lease(self, who: int, seed: int) -> None:
        self.lease_of(self.person(who), seed)

    @rule(seed=seeds)
    def everybody_leases(self, seed: int) -> None:
        for person in self.people:
            self.lease_of(person, seed)

    def lease_of(self, person: Membership, seed: int) -> Given | None:
        """What the person was newly given, if anything."""
        model, pk = self.model, person.pk
        if not model.people[pk].is_active:
            with pytest.raises(Http404):
                access_annotator(person.user, self.world.project.slug)
            return None
        annotator = access_annotator(person.user, self.world.project.slug)
        result = leases.lease_next(annotator=annotator, now=self.now, seed=seed, batch=None)
        refusal, held = model.refusal(pk), model.held(pk, self.now)
        if refusal:
            assert result.reason == refusal
            return None
        if len(held) >= HELD_MAX:
            self.expect_held_again(result, held)
            return None
        if not model.fitting(pk):  # whoever finds nothing sweeps before they say so
            model.sweep(self.now)
        fitting = model.fitting(pk)
        if not fitting and held:
            self.expect_held_again(result, held)
            return None
        if not fitting:
            assert result.lease is None, "a lease where nothing fits"
            assert result.reason == model.reason_for_nothing(pk)
            return None
        assert result.lease is not None, f"{result.reason} was said, but {fitting} are left"
        return self.note_lease(result, fitting, seed)

    def expect_held_again(self, result: Any, held: list[Given]) -> None:
        assert result.lease is not None, f"{result.reason} was said to a person who holds an item"
        assert result.lease.public_id == held[0].public_id

    def note_lease(self, result: Any, fitting: set[int], seed: int) -> Given:
        lease = result.lease
        slot, pk = lease.assignment, lease.annotator_id
        given = Given(
            person=pk,
            public_id=lease.public_id,
            submission_id=lease.submission_id,
            slot=slot.pk,
            attempt=lease.attempt,
            item=slot.item_id,
            purpose=slot.purpose,
            is_swapped=lease.display_order == [1, 0],
        )
        assert (pk, given.item, given.purpose) not in self.has_item, "an item came to a person again"
        due_gold = self.model.due_gold(pk, seed)
        if given.purpose == "gold" or due_gold:
            assert given.purpose == "gold" and given.item in due_gold
        elif given.purpose == "repeat":
            assert given.item in self.model.due_repeats(pk, seed)
        else:
            assert given.item in fitting
        known = self.model.slots.get(given.slot)
        assert given.attempt == (known.attempt if known else 0) + 1
        if given.purpose == "work":
            assert known is not None and known.state == "open"
        self.model.take(given, self.now)
        return given

    @rule(who=who, which=which)
    def extend(self, who: int, which: int) -> None:
        given = self.lease_given(who, which)
        if given is None:
            return
        slot = self.model.slots[given.slot]
        lease = self.lease_of_request(given)
        if lease is None:
            return
        is_held = slot.state == "leased" and slot.holder == given.person
        if not is_held or slot.expires_at is None or slot.expires_at <= self.now:
            with refused("lease_over"):
                returning.extend_lease(annotator=lease.annotator, assignment=lease.assignment, now=self.now)
            return
        returning.extend_lease(annotator=lease.annotator, assignment=lease.assignment, now=self.now)
        slot.expires_at = self.now + timedelta(seconds=LEASE_SECONDS)

    @rule(who=who, which=which, reason=st.sampled_from(returning.RELEASE_REASONS))
    def release(self, who: int, which: int, reason: str) -> None:
        given = self.lease_given(who, which)
        if given is None:
            return
        slot = self.model.slots[given.slot]
        lease = self.lease_of_request(given)
        if lease is None:
            return
        returning.release_assignment(
            annotator=lease.annotator, assignment=lease.assignment, reason=reason, now=self.now
        )
        if slot.state == "leased" and slot.holder == given.person:
            self.model.give_back(slot)
            self.exclude(given, reason)

    @rule(seconds=st.sampled_from([1, 20, 59, 60, 61, 300]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule()
    def sweep(self) -> None:
        swept = returning.sweep_leases(self.now)
        assert swept == self.model.sweep(self.now), f"{swept} leases were swept"

    # Answers

    @rule(who=who, which=which, answer=answers)
    def submit(self, who: int, which: int, answer: int | None) -> None:
        """In time, late, again, with another body, or under an earlier lease: as it happens."""
        given = self.lease_given(who, which)
        if given is not None:
            self.submit_under(given, answer)

    @rule(who=who, which=which, answers=st.lists(st.sampled_from(PREFERENCES), min_size=2, max_size=3))
    def submit_again(self, who: int, which: int, answers: list[int]) -> None:
        given = self.lease_given(who, which)
        for answer in answers if given is not None else ():
            self.submit_under(given, answer)

    @rule(who=who, seed=seeds, other=who, answers=st.tuples(answers, answers))
    def submit_late(self, who: int, seed: int, other: int, answers: tuple[int | None, int | None]) -> None:
        """A lease runs out, perhaps somebody else is given the item meanwhile; then both answers come."""
        first = self.lease_given(who, 0)
        self.now += timedelta(seconds=LEASE_SECONDS + 1)
        self.sweep()
        if first is not None:  # first in the queue again, or hardly anybody would be given the same item
            set_priorities(batch=self.batch, priorities={first.item: 9}, actor=self.world.lead, now=self.now)
        second = self.lease_of(self.person(other), seed)
        for given, answer in zip((second, first), answers, strict=True):
            if given is not None:
                self.submit_under(given, answer)

    def submit_under(self, given: Given, answer: int | None) -> None:
        body = judgments.Submission(
            submission_id=given.submission_id,
            attempt=given.attempt,
            answer=in_labels(answer, given.is_swapped),
        )
        key = (given.person, given.submission_id)
        body_hash = body.body_hash(f"assignment {given.slot}")
        lease = self.lease_of_request(given)
        if lease is None:
            return

        def send() -> judgments.Outcome:
            return judgments.submit_judgment(
                annotator=lease.annotator, assignment=lease.assignment, submission=body, now=self.now
            )

        if self.is_known(key, body_hash, send):
            return
        if answer is None and self.model.has_submitted(given.item, given.person, given.purpose):
            with refused("answered"):
                send()
            return
        places = self.model.places_for(given)
        outcome = send()
        assert not outcome.is_replay
        self.acknowledge(key, body_hash, outcome)
        if answer is None:
            assert outcome.body["state"] == "released"
            self.model.give_back_all(given)
            self.exclude(given, "expertise")
            return
        expected, state = "accepted" if places else "late", outcome.body["state"]
        assert state == expected, f"an answer was {state}, not {expected}"
        self.note_answer(given, answer, places, outcome.body["judgment"])

    def note_answer(self, given: Given, answer: int, places: set[int], judgment: int) -> None:
        slot, attempt = given.slot, given.attempt
        if places:
            slot = Judgment.objects.values_list("assignment", flat=True).get(pk=judgment)
            assert slot in places, "an answer went into a place that was not free for it"
            self.model.fill(given, slot)
            attempt = self.model.slots[slot].attempt
            self.has_item.add((given.person, given.item, given.purpose))
        else:
            self.exclude(given, "late")
        state = "accepted" if places else "late"
        self.model.judgments[judgment] = Written(slot, given.person, attempt, state, None, answer)
        if places:
            self.note_policy(self.model.slots[slot])

    def note_policy(self, slot: Slot) -> None:
        """The item may have got one more slot: the policy decides anew after each answer and each correction."""
        if slot.purpose == "work" and self.model.may_continue(slot.item):
            self.model.targets[slot.item] += self.learn(slot.item, {0, 1})

    def is_known(self, key: tuple[int, uuid.UUID], body_hash: bytes, send: Any) -> bool:
        """Whether this submission came before; if so it is sent, and must be answered as ever or be refused."""
        known = self.model.acknowledged.get(key)
        if known is None:
            return False
        if known.hash != body_hash:
            with refused("conflict"):
                send()
            return True
        outcome = send()
        assert outcome.is_replay, "an answer that came before was taken anew"
        assert rendered(outcome.body) == known.reply, "a replay was answered in other words"
        return True

    def acknowledge(self, key: tuple[int, uuid.UUID], body_hash: bytes, outcome: judgments.Outcome) -> None:
        self.model.acknowledged[key] = Acknowledged(body_hash, rendered(outcome.body))

    # Undo and correct

    @rule(who=who, which=which, answer=answers, is_sent_twice=st.booleans())
    def undo_and_correct(self, who: int, which: int, answer: int | None, is_sent_twice: bool) -> None:
        pk = self.judgment_given(who, which)
        if pk is None:
            return
        earlier = self.model.judgments[pk]
        judgment = self.judgment_of_request(pk)
        if judgment is None:
            return
        refusal = self.model.correction_refusal(pk)
        if refusal:
            with refused(refusal):
                judgments.undo_judgment(annotator=judgment.annotator, judgment=judgment)
            with refused(refusal):
                self.correct(judgment, uuid.uuid4(), answer)
            return
        is_swapped = judgment.display_order == [1, 0]
        undo = judgments.undo_judgment(annotator=judgment.annotator, judgment=judgment)
        assert undo.answer == in_labels(earlier.preference, is_swapped)
        outcome = self.correct(judgment, undo.submission_id, answer)
        assert not outcome.is_replay
        body = self.correction(judgment, undo.submission_id, answer)
        body_hash, key = body.body_hash(f"judgment {pk}"), (earlier.person, undo.submission_id)
        self.acknowledge(key, body_hash, outcome)
        self.note_correction(pk, answer, outcome)
        if is_sent_twice:
            self.is_known(key, body_hash, lambda: self.correct(judgment, undo.submission_id, answer))

    def note_correction(self, pk: int, answer: int | None, outcome: judgments.Outcome) -> None:
        earlier = self.model.judgments[pk]
        if answer is None:
            assert outcome.body["state"] == "released"
            if earlier.state == "accepted":
                self.note_void(earlier, "expertise")
            return
        assert outcome.body["state"] == earlier.state
        self.model.judgments[outcome.body["judgment"]] = Written(
            earlier.slot, earlier.person, earlier.attempt, earlier.state, pk, answer
        )
        self.note_policy(self.model.slots[earlier.slot])

    def note_void(self, written: Written, reason: str) -> None:
        slot = self.model.slots[written.slot]
        self.learn(slot.item, {self.model.void(slot, reason)})

    def correction(
        self, judgment: Judgment, submission_id: uuid.UUID, answer: int | None
    ) -> judgments.Submission:
        labels = in_labels(answer, judgment.display_order == [1, 0])
        return judgments.Submission(submission_id=submission_id, attempt=judgment.attempt, answer=labels)

    def correct(self, judgment: Judgment, submission_id: uuid.UUID, answer: int | None) -> judgments.Outcome:
        return judgments.correct_judgment(
            annotator=judgment.annotator,
            judgment=judgment,
            submission=self.correction(judgment, submission_id, answer),
            now=self.now,
        )

    @rule(who=who, which=which)
    def a_lead_takes_an_answer_out(self, who: int, which: int) -> None:
        pk = self.judgment_given(who, which)
        if pk is None:
            return
        written = self.model.judgments[pk]
        judgment = Judgment.objects.select_related("annotator__project", "assignment").get(pk=pk)

        def void() -> None:
            void_judgment(judgment=judgment, reason="copied", actor=self.world.lead, now=self.now)

        slot = self.model.slots[written.slot]
        can = self.model.is_open and written.state == "accepted" and self.model.current(pk)
        if can and slot.state == "submitted":
            void()
            self.note_void(written, "voided")
            return
        with pytest.raises(Refused) as refusal:
            void()
        assert refusal.value.code in ("batch_not_open", "late", "superseded", "void")

    # What leads do, and what becomes of people

    @rule(overlap=st.integers(1, 4), which=which, is_for_all=st.booleans())
    def raise_the_overlap(self, overlap: int, which: int, is_for_all: bool) -> None:
        targets = self.model.targets
        wanted = [pk for pk in targets if is_for_all or pk == list(targets)[which % len(targets)]]
        names = list(Item.objects.filter(pk__in=wanted).values_list("external_id", flat=True))

        def send() -> int:
            return raise_overlap(
                batch=self.batch, overlap=overlap, actor=self.world.lead, now=self.now, external_ids=names
            )

        if not self.model.is_open:
            with refused("batch_not_open"):
                send()
            return
        raised = [pk for pk in wanted if 0 < targets[pk] < overlap]
        assert send() == len(raised)
        for pk in raised:
            self.learn(pk, {overlap - targets[pk]})
            targets[pk] = overlap

    @precondition(lambda self: self.shape.has_priorities)
    @rule(which=which, priority=st.integers(-1, 2))
    def set_a_priority(self, which: int, priority: int) -> None:
        item = list(self.model.targets)[which % len(self.model.targets)]
        set_priorities(batch=self.batch, priorities={item: priority}, actor=self.world.lead, now=self.now)

    @precondition(lambda self: self.steps >= CLOSING_FROM)
    @rule()
    def close(self) -> None:
        close_batch(batch=self.batch, actor=self.world.lead, now=self.now)
        self.model.is_open = False

    @rule(who=who, resumes=st.sampled_from([True, True, False]))
    def pause(self, who: int, resumes: bool) -> None:
        person = self.person(who)
        pause_annotator(annotator=person, reason="pace", actor=self.world.lead, now=self.now)
        self.model.people[person.pk].is_paused = True
        self.lease_of(person, NO_DRAW)
        if resumes:
            self.resume(who)

    @rule(who=who)
    def resume(self, who: int) -> None:
        person = self.person(who)
        resume_annotator(annotator=person, actor=self.world.lead, now=self.now)
        self.model.people[person.pk].is_paused = False

    @rule(agreeing=st.integers(2, 4))
    def renew_the_consent(self, agreeing: int) -> None:
        text = f"Text {self.model.consent + 1}."
        publish_consent_text(project=self.world.project, actor=self.world.lead, text=text, now=self.now)
        self.model.consent += 1
        for index in range(agreeing):
            self.agree(index)

    @precondition(lambda self: self.model.consent)
    @rule(who=who)
    def agree(self, who: int) -> None:
        person = self.person(who)
        give_consent(annotator=person, now=self.now)
        self.model.people[person.pk].consent = self.model.consent

    @precondition(lambda self: self.steps >= CLOSING_FROM)
    @rule()
    def somebody_leaves_the_project(self) -> None:
        """The last one, whose tabs stay open. No service does this yet; the console's form sets the field."""
        person = self.people[-1]
        Membership.objects.filter(pk=person.pk).update(is_active=False)
        self.model.people[person.pk].is_active = False

    # After every step

    @invariant()
    def both_oracles_hold(self) -> None:
        self.steps += 1
        assert violations() == [], "an invariant is broken"
        columns = ("pk", "item", "purpose", "state", "annotator", "attempt", "expires_at")
        slots = {row[0]: row[1:] for row in Assignment.objects.values_list(*columns)}
        assert slots == self.model.slot_rows(), "the slots are not what they should be"
        for person in self.people:
            held = self.model.held(person.pk, self.now)
            assert len(held) <= HELD_MAX, f"a person holds {len(held)} items"
        attempts = {pk: row[4] for pk, row in slots.items()}
        assert all(attempts[pk] >= attempt for pk, attempt in self.attempts.items()), "an attempt fell"
        self.attempts = attempts
        self.check_targets(slots)
        self.check_answers()
        exclusions = {
            (i, a): reason for i, a, reason in Exclusion.objects.values_list("item", "annotator", "reason")
        }
        assert exclusions == self.model.exclusions, "the exclusions are not what they should be"

    def check_targets(self, slots: dict[int, tuple[Any, ...]]) -> None:
        assert dict(Item.objects.values_list("pk", "target_overlap")) == self.model.targets
        for item, target in self.model.targets.items():
            done = [1 for row in slots.values() if row[:3] == (item, "work", "submitted")]
            assert len(done) <= target, f"item {item} has {len(done)} answers of {target}"

    def check_answers(self) -> None:
        receipts = Receipt.objects.values_list("annotator", "submission_id", "body_hash")
        kept = {(annotator, key): bytes(body_hash) for annotator, key, body_hash in receipts}
        assert kept == {key: told.hash for key, told in self.model.acknowledged.items()}, "receipts differ"
        columns = (
            "assignment",
            "annotator",
            "attempt",
            "state",
            "supersedes",
            "pairwise_answers__preference",
        )
        stored = {row[0]: Written(*row[1:]) for row in Judgment.objects.values_list("pk", *columns)}
        assert stored == self.model.judgments, "the judgments are not what they should be"

    # Helpers

    def person(self, who: int) -> Membership:
        return self.people[who % len(self.people)]

    def lease_given(self, who: int, which: int) -> Given | None:
        given = self.model.given
        if which == 0 or not given:
            return self.lease_of(self.person(who), NO_DRAW)
        return given[-1 - (which - 1) % len(given)]

    def judgment_given(self, who: int, which: int) -> int | None:
        if which == 0 or not self.model.judgments:
            given = self.lease_of(self.person(who), NO_DRAW)
            if given is not None:
                self.submit_under(given, PREFERENCES[0])
        known = list(self.model.judgments)
        return known[-1 - max(0, which - 1) % len(known)] if known else None

    def exclude(self, given: Given, reason: str) -> None:
        self.model.exclude(given.item, given.person, reason)
        self.has_item.add((given.person, given.item, given.purpose))

    def lease_of_request(self, given: Given) -> Lease | None:
        """The lease as its holder's request finds it; who left the project finds nothing."""
        person = next(person for person in self.people if person.pk == given.person)
        if self.model.people[given.person].is_active:
            return access_lease(person.user, given.public_id)
        with pytest.raises(Http404):
            access_lease(person.user, given.public_id)
        return None

    def judgment_of_request(self, pk: int) -> Judgment | None:
        author = self.model.judgments[pk].person
        person = next(person for person in self.people if person.pk == author)
        if self.model.people[author].is_active:
            return access_judgment(person.user, pk)
        with pytest.raises(Http404):
            access_judgment(person.user, pk)
        return None


def in_labels(answer: int | None, is_swapped: bool) -> dict[str, Any]:
    if answer is None:
        return {"cannot_judge": "expertise"}
    return {"preferred": "A" if (answer < 0) != is_swapped else "B", "strength": abs(answer)}


def rendered(body: dict[str, Any]) -> bytes:
    """The bytes that a script is sent."""
    return bytes(JSONRenderer().render(body))


@contextmanager
def refused(code: str) -> Iterator[None]:
    with pytest.raises(Refused) as refusal:
        yield
    assert code in {refusal.value.code, *(error.code for error in refusal.value.errors)}
