"""Judgments of a file, as they were made in another project: checked against this one, and stored outside slots.

What such a judgment is, and why it is so, stands in docs/decisions/0016-imported-judgments.md. `import_job` calls this
while it reads a file; it holds the transaction.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.contrib.auth.hashers import make_password

from annotation.importers import CompletionRow, ItemRow, JudgmentRow, Problems
from annotation.kinds import AnswerError, Screen, judgment_kinds
from annotation.models import (
    Batch,
    Completion,
    Judgment,
    Membership,
    Origin,
    Project,
    ProtocolVersion,
    User,
)
from annotation.services.copying import copy_rows, new_ids
from annotation.services.judgments import NOTE_MAX

ANNOTATORS_MAX = 20_000
"""In one project: their pseudonyms are held together while a file is read."""
SUBMISSIONS = uuid.UUID("6f9d5c1e-7a52-4c0b-9a39-0d8b6c0f4e21")
"""Namespace of the submission ids of imported judgments: the same judgment of the same person has the same id."""
CRITERION_FACTS = ("key", "name", "question", "low", "high", "ties_allowed", "anchors")

ORIGIN_FIELDS = [
    "id",
    "batch",
    "item_number",
    "item",
    "judgment",
    "supersedes",
    "protocol_version",
    "guideline_version",
]
JUDGMENT_FIELDS = [
    "id",
    "origin",
    "item",
    "batch",
    "annotator",
    "guideline",
    "protocol",
    "attempt",
    "submission_id",
    "state",
    "display_order",
    "active_seconds",
    "confidence",
    "note",
    "read_to_end",
    "created_at",
]


class ProjectCheck:
    """What a line of judgments has to fulfil in one project: protocol, answers and people.

    Who is here is read once, when this is made.
    """

    def __init__(self, project: Project, protocol: ProtocolVersion) -> None:
        self.protocol = protocol
        self.criteria = list(protocol.criteria.order_by("position"))
        self.facts = [{name: getattr(one, name) for name in CRITERION_FACTS} for one in self.criteria]
        members = Membership.objects.filter(project=project).only("pseudonym", "is_imported", "is_simulated")
        self.members = {member.pseudonym: member for member in members.order_by("pk").iterator()}
        self.simulated = {name: member.is_simulated for name, member in self.members.items()}

    def __call__(self, row: ItemRow, problems: Problems) -> None:
        (judgment,) = row.judgments
        self.check_protocol(judgment, problems)
        if problems:
            return  # an answer to other questions says nothing of use
        completions = [unsaved(one, position) for position, one in enumerate(row.completions)]
        try:
            parsed_answer(judgment, Screen(self.protocol, self.criteria, completions))
        except AnswerError as error:
            for one in error.errors:
                field = f"answers.{one.field}" if one.field else "answers"
                problems.add(
                    field, one.code, judgment.answers, one.detail, "labels stand in the order of import"
                )
        if len(judgment.note) > NOTE_MAX:
            detail = f"a note holds at most {NOTE_MAX} characters"
            problems.add("note", "text_too_long", judgment.note, detail, "shorten it")
        self.check_person(judgment, problems)

    def check_protocol(self, judgment: JudgmentRow, problems: Problems) -> None:
        """Kind, points and criteria are those of the project's current protocol."""
        fix = "make a project with this protocol and import there"
        for name, value in (("kind", judgment.kind), ("points", judgment.points)):
            if value != getattr(self.protocol, name):
                here = getattr(self.protocol, name)
                problems.add(name, "other_protocol", value, f"the project's protocol has {name} {here}", fix)
        given = [one.get("key") for one in judgment.criteria]
        keys = [one["key"] for one in self.facts]
        if given != keys:
            detail = f"the criteria of the project's protocol are {', '.join(keys)}, in this order"
            problems.add("criteria", "other_protocol", given, detail, fix)
            return
        for index, (one, here) in enumerate(zip(judgment.criteria, self.facts, strict=True)):
            if one == here:
                continue
            for name in sorted({*one, *here}):
                if one.get(name) != here.get(name) or (name in one) != (name in here):
                    detail = f"the project's protocol has {here.get(name, 'no such field')!r} here"
                    problems.add(
                        f"criteria[{index}].{name}", "other_protocol", one.get(name, ""), detail, fix
                    )

    def check_person(self, judgment: JudgmentRow, problems: Problems) -> None:
        name = judgment.annotator
        member = self.members.get(name)
        if member is not None and not member.is_imported:
            problems.add(
                "annotator",
                "annotator_here",
                name,
                "a member of this project has this pseudonym: what they judged here is here already",
                "import into a project that these people are not members of",
            )
        elif self.simulated.setdefault(name, judgment.is_simulated) != judgment.is_simulated:
            problems.add(
                "is_simulated",
                "differs",
                judgment.is_simulated,
                f"{name} is {'' if self.simulated[name] else 'not '}simulated elsewhere",
                "say the same of one person everywhere",
            )
        elif len(self.simulated) > ANNOTATORS_MAX:
            detail = f"the project would have more than {ANNOTATORS_MAX} people"
            problems.add("annotator", "too_many_people", name, detail, "import into several projects")
        elif member is not None and self.is_here(member, judgment):
            problems.add(
                "id",
                "already_imported",
                judgment.record,
                "this judgment of this person was imported before",
                "cut a release of the batches that are not here yet, and import that",
            )

    def is_here(self, member: Membership, judgment: JudgmentRow) -> bool:
        return Judgment.objects.filter(annotator=member, submission_id=submission_id(judgment)).exists()


def unsaved(row: CompletionRow, position: int) -> Completion:
    return Completion(position=position, messages=row.messages)


def submission_id(judgment: JudgmentRow) -> uuid.UUID:
    return uuid.uuid5(SUBMISSIONS, judgment.record)


def parsed_answer(judgment: JudgmentRow, screen: Screen) -> Any:
    """What the kind stores. `screen` is in the order of import. Raises AnswerError."""
    kind = judgment_kinds.get(screen.protocol.kind)
    return kind.parse(kind.from_signed(judgment.answers, screen), screen)


def store_judgments(
    batch: Batch, protocol: ProtocolVersion, items: Mapping[int, ItemRow], now: datetime
) -> int:
    """Insert the judgments of `items` (by id, stored already) with their people; returns how many."""
    found = [(pk, judgment) for pk, row in items.items() for judgment in row.judgments]
    if not found:
        return 0
    judgments = [judgment for _, judgment in found]
    people = imported_people(batch.project, judgments, now)
    guideline = batch.project.guidelines.latest("number")
    origins, pks = new_ids(Origin, len(found)), new_ids(Judgment, len(found))
    copy_rows(
        Origin, ORIGIN_FIELDS, ((pk, *origin_values(one)) for pk, one in zip(origins, judgments, strict=True))
    )
    copy_rows(
        Judgment,
        JUDGMENT_FIELDS,
        (
            (
                pk,
                origin,
                item,
                batch.pk,
                people[one.annotator],
                guideline.pk,
                protocol.pk,
                0,
                submission_id(one),
                Judgment.State.ACCEPTED.value,
                one.display_order,
                one.active_seconds,
                one.confidence,
                one.note,
                one.read_to_end,
                one.created_at,
            )
            for pk, origin, (item, one) in zip(pks, origins, found, strict=True)
        ),
    )
    store_answers(protocol, items, zip(pks, found, strict=True))
    return len(found)


def origin_values(judgment: JudgmentRow) -> tuple[Any, ...]:
    return (
        judgment.batch,
        judgment.item_number,
        judgment.item,
        judgment.judgment,
        judgment.supersedes,
        judgment.protocol_version,
        judgment.guideline_version,
    )


def store_answers(
    protocol: ProtocolVersion,
    items: Mapping[int, ItemRow],
    judgments: Iterable[tuple[int, tuple[int, JudgmentRow]]],
) -> None:
    """The typed answers, through the kind as after a submit. `judgments` are (id, (item id, judgment))."""
    kind = judgment_kinds.get(protocol.kind)
    criteria = list(protocol.criteria.order_by("position"))
    completions = completions_of(items)
    for pk, (item, one) in judgments:
        screen = Screen(protocol, criteria, completions[item])
        kind.store(Judgment(pk=pk), parsed_answer(one, screen), screen)


def completions_of(items: Mapping[int, ItemRow]) -> dict[int, Sequence[Completion]]:
    """By item its stored completions in the order of import, with the texts of the file."""
    found: dict[int, list[Completion]] = defaultdict(list)
    rows = Completion.objects.filter(item__in=items).order_by("item", "position")
    for pk, item, position in rows.values_list("pk", "item_id", "position"):
        messages = items[item].completions[position].messages
        found[item].append(Completion(pk=pk, item_id=item, position=position, messages=messages))
    return defaultdict(list, found)


def imported_people(project: Project, judgments: Iterable[JudgmentRow], now: datetime) -> dict[str, int]:
    """Pseudonym → id of the membership, made where there is none.

    Each gets an account that nobody can sign in with: it is not active and has no password. Its address lies in a
    domain that there never is (RFC 2606).
    """
    wanted = {one.annotator: one.is_simulated for one in judgments}
    known = Membership.objects.filter(project=project, is_imported=True, pseudonym__in=wanted)
    people = dict(known.values_list("pseudonym", "pk"))
    new = [name for name in wanted if name not in people]
    users = User.objects.bulk_create(
        User(
            email=f"{uuid.uuid5(SUBMISSIONS, f'{project.pk} {name}').hex}@imported.invalid",
            password=make_password(None),
            is_active=False,
        )
        for name in new
    )
    memberships = Membership.objects.bulk_create(
        Membership(
            project=project,
            user=user,
            role=Membership.Role.ANNOTATOR,
            pseudonym=name,
            is_active=False,
            is_simulated=wanted[name],
            is_imported=True,
            created_at=now,
        )
        for name, user in zip(new, users, strict=True)
    )
    return people | {member.pseudonym: member.pk for member in memberships}
