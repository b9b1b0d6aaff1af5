"""Judgments one after another, for scripts that fetch what is new since their last visit."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.db.models import F, Func
from django.db.models.functions import Cast

from annotation.models import Judgment, Project
from comparisons.models import (
    CritiqueAnswer,
    CritiquePrinciple,
    DemonstrationAnswer,
    PairwiseAnswer,
    RankingAnswer,
    RatingAnswer,
    RatingChoice,
    SpanMark,
)
from comparisons.selectors import COMPARING, WRITING, of_judgments

OLDEST_RUNNING = Cast(
    Cast(
        Func(Func(function="pg_current_snapshot"), function="pg_snapshot_xmin"),
        models.TextField(),
    ),
    models.BigIntegerField(),
)
"""The oldest transaction that is still running: every row of an earlier one is visible by now, or never."""
Answers = dict[int, dict[str, Any]]
"""By judgment id, then by criterion."""


@dataclass(frozen=True)
class Cursor:
    """A place in the stream: behind the judgment `judgment` of the transaction `transaction`."""

    transaction: int = 0
    judgment: int = 0

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """Read `str(cursor)`. Raises ValueError for anything else."""
        transaction, _, judgment = text.partition("-")
        if not (
            transaction.isascii() and transaction.isdigit() and judgment.isascii() and judgment.isdigit()
        ):
            raise ValueError("not a cursor")
        if max(int(transaction), int(judgment)) >= 2**63:
            raise ValueError("not a cursor")
        return cls(int(transaction), int(judgment))

    def __str__(self) -> str:
        return f"{self.transaction}-{self.judgment}"


def judgments_after(project: Project, cursor: Cursor, limit: int) -> list[Judgment]:
    """At most `limit` judgments behind `cursor`, ordered by (transaction, id).

    A judgment whose transaction is still running could yet appear before a later one that is there already.
    So the stream ends below the oldest running transaction, and nothing is ever skipped.
    """
    return list(
        Judgment.objects.filter(batch__project=project, transaction_id__gte=cursor.transaction)
        .exclude(transaction_id=cursor.transaction, pk__lte=cursor.judgment)
        .annotate(oldest_running=OLDEST_RUNNING)
        .filter(transaction_id__lt=F("oldest_running"))
        .select_related("annotator", "item", "batch", "guideline", "protocol", "assignment")
        .defer("item__prompt", "item__metadata", "guideline__text")
        .order_by("transaction_id", "pk")[:limit]
    )


def judgments_json(judgments: Sequence[Judgment]) -> list[dict[str, Any]]:
    """The judgments with their answers, pseudonymous; in the order and the signs of the stored completions."""
    answers = answers_of([judgment.pk for judgment in judgments])
    return [
        {
            "id": judgment.pk,
            "batch": judgment.batch.number,
            "item": judgment.item.external_id,
            "annotator": judgment.annotator.pseudonym,
            "is_simulated": judgment.annotator.is_simulated,
            "purpose": judgment.assignment.purpose if judgment.assignment else "imported",
            "state": judgment.state,
            "supersedes": judgment.supersedes_id,
            "kind": judgment.protocol.kind,
            "protocol_version": judgment.protocol.number,
            "guideline_version": judgment.guideline.number,
            "answers": answers[judgment.pk],
            "display_order": judgment.display_order,
            "active_seconds": judgment.active_seconds,
            "confidence": judgment.confidence,
            "note": judgment.note,
            "read_to_end": judgment.read_to_end,
            "created_at": judgment.created_at,
        }
        for judgment in judgments
    ]


def answers_of(judgments: Collection[int], kinds: Collection[str] = COMPARING | WRITING) -> Answers:
    """By judgment id, what was answered for each criterion; `kinds` are those that `judgments` may be of.

    Pairwise: {"preference", "tie_reason"?}, and under "turns" a list of the same for the turns of two conversations;
    ranking and rating: one number for each completion, by position; None: the criterion does not apply to it.
    Marks in the text stand under "spans", an overall choice after rating, by position, under "choice":
    {"completion"}. Written answers stand whole under the key overall: {"text"} of a demonstration; {"completion",
    "principles", "critique", "revision"} of a critique, its completion by position and the keys of the broken
    principles. What was erased is {"erased": true} beside what is left.
    """
    found: Answers = defaultdict(dict)
    if "pairwise" in kinds:
        add_pairwise(judgments, found)
    for kind, model, value in (("ranking", RankingAnswer, "rank"), ("rating", RatingAnswer, "value")):
        if kind in kinds:
            rows = model._default_manager.filter(of_judgments(judgments)).order_by("completion__position")
            for pk, key, number in rows.values_list("judgment_id", "criterion__key", value):
                found[pk].setdefault(key, []).append(number)
    if "rating" in kinds:
        add_marks_and_choices(judgments, found)
    if WRITING & set(kinds):
        for pk, written in written_answers(judgments):
            found[pk]["overall"] = written
    return found


def add_pairwise(judgments: Collection[int], found: Answers) -> None:
    pairwise = PairwiseAnswer.objects.filter(of_judgments(judgments))
    in_order = pairwise.order_by("judgment_id", F("turn").asc(nulls_first=True), "pk")
    for pk, key, turn, preference, reason in in_order.values_list(
        "judgment_id", "criterion__key", "turn", "preference", "tie_reason"
    ):
        said = {"preference": preference} | ({"tie_reason": reason} if reason else {})
        if turn is None:
            found[pk][key] = said
        else:
            found[pk].setdefault("turns", []).append(said)


def add_marks_and_choices(judgments: Collection[int], found: Answers) -> None:
    spans = SpanMark.objects.filter(of_judgments(judgments)).order_by(
        "completion__position", "start", "end", "type"
    )
    for pk, position, start, end, kind in spans.values_list(
        "judgment_id", "completion__position", "start", "end", "type"
    ):
        mark = {"completion": position, "start": start, "end": end, "type": kind}
        found[pk].setdefault("spans", []).append(mark)
    choices = RatingChoice.objects.filter(of_judgments(judgments))
    for pk, position in choices.values_list("judgment_id", "completion__position"):
        found[pk]["choice"] = {"completion": position}


def written_answers(
    judgments: Collection[int],
) -> Iterator[tuple[int, dict[str, Any]]]:
    """(judgment id, what it says) of demonstrations and critiques."""
    demonstrations = DemonstrationAnswer.objects.filter(of_judgments(judgments))
    for row in demonstrations:
        yield row.judgment_id, {"erased": True} if row.erased_at else {"text": row.text}
    broken: dict[int, list[str]] = defaultdict(list)
    principles = CritiquePrinciple.objects.filter(of_judgments(judgments)).order_by("principle__position")
    for pk, key in principles.values_list("judgment_id", "principle__key"):
        broken[pk].append(key)
    for critique in CritiqueAnswer.objects.filter(of_judgments(judgments)).select_related("completion"):
        pk = critique.judgment_id
        kept: dict[str, Any] = {"completion": critique.completion.position, "principles": broken[pk]}
        texts = {"critique": critique.critique, "revision": critique.revision}
        yield pk, kept | ({"erased": True} if critique.erased_at else texts)
