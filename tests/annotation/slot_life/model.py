"""What must be so, in plain Python and one slot at a time: the second oracle beside the SQL of the invariants.

It knows nothing of the tables or of how the engine finds a slot. People, items and slots are named by their ids.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

HELD_MAX = 2
REFUSALS_MAX = 3
REPEATED_AFTER = 10


@dataclass
class Slot:
    item: int
    purpose: str = "work"
    state: str = "open"
    holder: int | None = None
    attempt: int = 0
    expires_at: datetime | None = None


@dataclass
class Person:
    is_active: bool = True
    is_paused: bool = False
    consent: int = 0
    """Number of the newest consent text agreed to."""


@dataclass(frozen=True)
class Given:
    """A lease as it was handed out; its holder keeps it for ever, as a browser tab does."""

    person: int
    public_id: int
    submission_id: UUID
    slot: int
    attempt: int
    item: int
    purpose: str
    is_swapped: bool
    """Whether the second completion was shown as "A"."""


@dataclass(frozen=True)
class Written:
    """A stored judgment. `preference` is negative when the first completion is better."""

    slot: int
    person: int
    attempt: int
    state: str
    supersedes: int | None
    preference: int


@dataclass(frozen=True)
class Acknowledged:
    """What a person was told, to the byte, about a body with this hash."""

    hash: bytes
    reply: bytes


@dataclass
class Model:
    lease_seconds: int
    gold_share: float
    repeat_share: float
    cap: int | None
    overlap_max: int | None
    """Of a batch with a policy; None: nothing but a lead raises the overlap."""
    targets: dict[int, int] = field(default_factory=dict)
    gold: set[int] = field(default_factory=set)
    slots: dict[int, Slot] = field(default_factory=dict)
    people: dict[int, Person] = field(default_factory=dict)
    exclusions: dict[tuple[int, int], str] = field(default_factory=dict)
    """(item, person) → the first reason."""
    given: list[Given] = field(default_factory=list)
    acknowledged: dict[tuple[int, UUID], Acknowledged] = field(default_factory=dict)
    judgments: dict[int, Written] = field(default_factory=dict)
    repeated: set[tuple[int, int]] = field(default_factory=set)
    """(item, person) that were leased as a repeat, kept or not."""
    is_open: bool = True
    consent: int = 0
    """Number of the newest consent text; 0: none."""

    # Who holds and has what

    def of_item(self, item: int, *states: str, purpose: str = "work") -> dict[int, Slot]:
        return {
            pk: slot
            for pk, slot in self.slots.items()
            if slot.item == item and slot.purpose == purpose and slot.state in states
        }

    def has_submitted(self, item: int, person: int, purpose: str) -> bool:
        return any(s.holder == person for s in self.of_item(item, "submitted", purpose=purpose).values())

    def held(self, person: int, now: datetime) -> list[Given]:
        """Running leases of a person in the order in which they were handed out."""
        return [g for g in self.given if g.person == person and self.is_running(g, now)]

    def is_running(self, given: Given, now: datetime) -> bool:
        slot = self.slots[given.slot]
        if slot.state != "leased" or slot.attempt != given.attempt or slot.expires_at is None:
            return False
        return slot.expires_at > now

    def expired(self, now: datetime) -> list[Slot]:
        return [
            s for s in self.slots.values() if s.state == "leased" and s.expires_at and s.expires_at <= now
        ]

    # What a lease may answer

    def refusal(self, person: int) -> str | None:
        if self.people[person].is_paused:
            return "paused"
        return "consent_needed" if self.people[person].consent < self.consent else None

    def is_capped(self, person: int) -> bool:
        if self.cap is None:
            return False
        taken = [s for s in self.slots.values() if s.holder == person and s.state in ("leased", "submitted")]
        return len(taken) >= self.cap

    def fitting(self, person: int, *, caps: bool = True) -> set[int]:
        """Items of which this person may be given an open work slot as things stand, expired leases not swept."""
        if not self.is_open or (caps and self.is_capped(person)):
            return set()
        return {item for item in self.targets if item not in self.gold and self.fits(item, person)}

    def fits(self, item: int, person: int) -> bool:
        if not self.of_item(item, "open") or (item, person) in self.exclusions:
            return False
        refused = [r for (i, _), r in self.exclusions.items() if i == item and r != "late"]
        own = [s for s in self.slots.values() if s.item == item and s.holder == person and s.state != "void"]
        return not own and len(refused) < REFUSALS_MAX

    def due_gold(self, person: int, seed: int) -> set[int]:
        """Gold items of which one is due in place of work that fits, going by the draw of `seed`."""
        if random.Random(seed).random() >= self.gold_share:
            return set()
        theirs = {s.item for s in self.slots.values() if s.holder == person and s.state != "void"}
        return {i for i in self.gold if i not in theirs and (i, person) not in self.exclusions}

    def due_repeats(self, person: int, seed: int) -> set[int]:
        """Items of which one may be due for a second look, if it lies far enough back."""
        draw = random.Random(seed).random()
        done = [s for s in self.slots.values() if s.holder == person and s.state == "submitted"]
        if not self.gold_share <= draw < self.gold_share + self.repeat_share or len(done) <= REPEATED_AFTER:
            return set()
        return {s.item for s in done if s.purpose == "work" and (s.item, person) not in self.repeated}

    def reason_for_nothing(self, person: int) -> str:
        """Once every expired lease is swept and nothing fits."""
        if self.fitting(person, caps=False):
            return "cap_reached"
        waits = any(s.purpose == "work" and s.state in ("open", "leased") for s in self.slots.values())
        return "nothing_left_for_you" if waits and self.is_open else "batch_done"

    # What happens

    def take(self, given: Given, now: datetime) -> None:
        slot = self.slots.setdefault(given.slot, Slot(item=given.item, purpose=given.purpose))
        slot.state, slot.holder, slot.attempt = "leased", given.person, given.attempt
        slot.expires_at = now + timedelta(seconds=self.lease_seconds)
        if given.purpose == "repeat":
            self.repeated.add((given.item, given.person))
        self.given.append(given)

    def give_back(self, slot: Slot) -> None:
        """Work opens for others; what was made for one person is void and keeps their name."""
        slot.expires_at = None
        slot.state, slot.holder = ("open", None) if slot.purpose == "work" else ("void", slot.holder)

    def sweep(self, now: datetime) -> int:
        expired = self.expired(now)
        for slot in expired:
            self.give_back(slot)
        return len(expired)

    def exclude(self, item: int, person: int, reason: str) -> None:
        self.exclusions.setdefault((item, person), reason)

    def places_for(self, given: Given) -> set[int]:
        """Slots that an answer given under this lease may fill; none: it is late."""
        slot, person = self.slots[given.slot], given.person
        is_held = slot.state == "leased" and slot.holder == person
        if is_held and slot.attempt == given.attempt:
            return {given.slot}
        if not self.is_open or (given.item, person) in self.exclusions:
            return set()
        if self.has_submitted(given.item, person, given.purpose):
            return set()
        if is_held or slot.state == "open":
            return {given.slot}
        if given.purpose != "work":
            return set()
        leased = self.of_item(given.item, "leased")
        return {pk for pk, s in leased.items() if s.holder == person} or set(self.of_item(given.item, "open"))

    def fill(self, given: Given, place: int) -> None:
        """An answer is accepted into `place`; whatever else of the item its author holds goes back."""
        slot = self.slots[place]
        is_in_time = place == given.slot and slot.state == "leased" and slot.attempt == given.attempt
        slot.attempt += 0 if is_in_time else 1
        slot.state, slot.holder, slot.expires_at = "submitted", given.person, None
        if not is_in_time:
            self.give_back_all(given)

    def give_back_all(self, given: Given) -> None:
        for slot in self.of_item(given.item, "leased", purpose=given.purpose).values():
            if slot.holder == given.person:
                self.give_back(slot)

    def void(self, slot: Slot, reason: str) -> int:
        """Take an accepted answer out; answers how many slots open in its place."""
        assert slot.holder is not None
        slot.state = "void"
        self.exclude(slot.item, slot.holder, reason)
        return 1 if slot.purpose == "work" else 0

    def may_continue(self, item: int) -> bool:
        """Whether a policy decides now about one more slot: all of the item's slots are answered."""
        if self.overlap_max is None or not self.is_open or self.targets[item] >= self.overlap_max:
            return False
        return not self.of_item(item, "open", "leased")

    def current(self, pk: int) -> bool:
        return not any(written.supersedes == pk for written in self.judgments.values())

    def correction_refusal(self, pk: int) -> str | None:
        """The code with which undo and correct refuse."""
        if not self.is_open:
            return "closed"
        if not self.current(pk):
            return "superseded"
        return "void" if self.slots[self.judgments[pk].slot].state == "void" else None

    def learn(self, item: int, pks: Iterable[int]) -> None:
        """New open work slots of an item."""
        self.slots |= {pk: Slot(item=item) for pk in pks}

    # What the tables must say

    def slot_rows(self) -> dict[int, tuple[Any, ...]]:
        return {
            pk: (s.item, s.purpose, s.state, s.holder, s.attempt, s.expires_at)
            for pk, s in self.slots.items()
        }
